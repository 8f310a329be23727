import type { HeaderCase } from "./header-case.ts";
import { HEADER_ID_COUNT, HEADER_NAMES, headerId, isInlineHeader, type HeaderId } from "./header-name.ts";

/** How one entry is held. */
const REMOVED = 0;
/** A `name: value CRLF` line of `raw`, byte for byte as it would be written: runs of such lines are copied as one slice. */
const LINE = 1;
/** In `raw`, but not in the form it would be written (odd white space). */
const LOOSE = 2;
/** Name and value are strings of their own. */
const OWNED = 3;

const FIRST_CAPACITY = 32;
/** Longest arrays of strings that a pooled map keeps. */
const KEPT_CAPACITY = 64;

/** What `HeaderMap.visit` calls for each line. */
export interface HeaderVisitor {
  onHeader(id: HeaderId, name: string, value: string): void;
}

/**
 * The headers of one request, response or trailer section, in order. Names are lower case.
 *
 * A head that came over HTTP/1.1 is one latin1 string and a table of offsets; values become strings when they are asked
 * for, and what nobody changed is written again as one slice. HTTP/2 and code add entries as strings. The pseudo
 * fields stand apart: `host` never is an entry, it is `authority`.
 *
 * Maps are pooled: take one by `HeaderMap.acquire()`; its last owner calls `release()` once and lets go of it.
 */
export class HeaderMap {
  /** Request fields; "" when absent. */
  method = "";
  path = "";
  scheme = "";
  authority = "";
  /** There is a Host and it is empty: the one way to tell that from none. Says nothing once `authority` is set. */
  emptyAuthority = false;
  /** How names are written over HTTP/1.1; undefined = as the codec does by itself. */
  headerCase: HeaderCase | undefined = undefined;
  /** `:protocol` of an extended CONNECT. */
  protocol = "";
  /** Response status; 0 for requests and trailers. */
  status = 0;

  #raw = "";
  #count = 0;
  #live = 0;
  #states = new Uint8Array(FIRST_CAPACITY);
  #ids = new Uint8Array(FIRST_CAPACITY);
  /** Four offsets into `raw` per entry: name start, name end, value start, value end. */
  #offsets = new Int32Array(FIRST_CAPACITY * 4);
  #names: string[] = [];
  #values: string[] = [];
  /** Index of the first live entry per well-known name, plus one; 0 = none. */
  readonly #first = new Uint16Array(HEADER_ID_COUNT);

  static acquire(): HeaderMap {
    return pool.pop() ?? new HeaderMap();
  }

  /** A map of its own from pairs; for configuration, local replies and tests. */
  static of(pairs: Iterable<readonly [name: string, value: string]>): HeaderMap {
    const map = HeaderMap.acquire();
    for (const [name, value] of pairs) map.add(name, value);
    return map;
  }

  /** Gives the map back to the pool. Nobody may use it afterwards. */
  release(): void {
    this.clear();
    if (pool.length < POOL_LIMIT) pool.push(this);
  }

  clear(): void {
    this.method = this.path = this.scheme = this.authority = this.protocol = "";
    this.status = 0;
    this.emptyAuthority = false;
    this.headerCase = undefined;
    for (let i = 0; i < this.#count; i++) this.#first[this.#ids[i]!] = 0;
    this.#raw = "";
    const owned = this.#names.length;
    if (owned > KEPT_CAPACITY) {
      this.#names = [];
      this.#values = [];
    } else if (owned > 0) {
      // Overwritten, not dropped: pooled maps would grow their arrays anew for every message.
      for (let i = Math.min(owned, this.#count) - 1; i >= 0; i--) this.#names[i] = this.#values[i] = "";
    }
    this.#count = this.#live = 0;
  }

  /** Number of header lines, pseudo fields not counted. */
  get size(): number {
    return this.#live;
  }

  /** Sum of the lengths of names and values, pseudo fields not counted; what %REQUEST_HEADERS_BYTES% counts. */
  get byteSize(): number {
    let bytes = 0;
    for (let i = 0; i < this.#count; i++) {
      const state = this.#states[i]!;
      if (state === OWNED) bytes += this.#names[i]!.length + this.#values[i]!.length;
      else if (state !== REMOVED) {
        const o = i << 2;
        bytes += this.#offsets[o + 1]! - this.#offsets[o]! + this.#offsets[o + 3]! - this.#offsets[o + 2]!;
      }
    }
    return bytes;
  }

  /** First value of a well-known header. */
  getId(id: HeaderId): string | undefined {
    const index = this.#first[id]!;
    return index === 0 ? undefined : this.#value(index - 1);
  }

  hasId(id: HeaderId): boolean {
    return this.#first[id] !== 0;
  }

  /** First value of a header by lower-case name; ":method" and the like, and "host", read the pseudo fields. */
  get(name: string): string | undefined {
    if (name.charCodeAt(0) === 58 || name === "host") return this.#pseudo(name);
    const id = headerId(name);
    if (id !== 0) return this.getId(id);
    for (let i = 0; i < this.#count; i++) if (this.#isUnknown(i, name)) return this.#value(i);
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** All values of a header, in order. */
  getAll(name: string): string[] {
    if (name.charCodeAt(0) === 58 || name === "host") {
      const value = this.#pseudo(name);
      return value === undefined ? [] : [value];
    }
    const id = headerId(name);
    if (id !== 0 && this.#first[id] === 0) return [];
    const found: string[] = [];
    for (let i = 0; i < this.#count; i++) {
      if (id !== 0 ? this.#ids[i] === id && this.#states[i] !== REMOVED : this.#isUnknown(i, name))
        found.push(this.#value(i));
    }
    return found;
  }

  /** Calls back for each header line in order, pseudo fields not included. */
  forEach(visit: (name: string, value: string) => void): void {
    for (let i = 0; i < this.#count; i++)
      if (this.#states[i] !== REMOVED) visit(this.#name(i), this.#value(i));
  }

  /** Codec side: `forEach` with ids, for visitors that live longer than one call. */
  visit(visitor: HeaderVisitor): void {
    for (let i = 0; i < this.#count; i++)
      if (this.#states[i] !== REMOVED) visitor.onHeader(this.#ids[i]!, this.#name(i), this.#value(i));
  }

  /** Appends a line, even if there is one of that name. */
  add(name: string, value: string): void {
    this.#push(headerId(name), name, value);
  }

  /** `add` for a well-known name. */
  addId(id: HeaderId, value: string): void {
    this.#push(id, HEADER_NAMES[id]!, value);
  }

  /** `add` for a name that is not well known. */
  addUnknown(name: string, value: string): void {
    this.#push(0, name, value);
  }

  /** Sets the one value of a header: in place of the first line of that name, else at the end; ":path", "host" and the like set the pseudo field. */
  set(name: string, value: string): void {
    if (name.charCodeAt(0) === 58 || name === "host") return this.#setPseudo(name, value);
    const id = headerId(name);
    if (id !== 0) return this.setId(id, value);
    let index = -1;
    for (let i = 0; i < this.#count; i++) {
      if (!this.#isUnknown(i, name)) continue;
      if (index < 0) index = i;
      else this.#drop(i);
    }
    if (index < 0) this.#push(0, name, value);
    else this.#own(index, name, value);
  }

  setId(id: HeaderId, value: string): void {
    const index = this.#first[id]!;
    if (index === 0) return this.#push(id, HEADER_NAMES[id]!, value);
    if (!isInlineHeader(id)) {
      for (let i = index; i < this.#count; i++)
        if (this.#ids[i] === id && this.#states[i] !== REMOVED) this.#drop(i);
    }
    this.#own(index - 1, HEADER_NAMES[id]!, value);
  }

  /** Appends to the value of an inline header with `separator` between, or adds it. */
  appendId(id: HeaderId, value: string, separator = ","): void {
    const index = this.#first[id]!;
    if (index === 0) this.#push(id, HEADER_NAMES[id]!, value);
    else this.#own(index - 1, HEADER_NAMES[id]!, this.#value(index - 1) + separator + value);
  }

  /** Appends to the first value of a header with "," between, or adds it; pseudo fields excepted. */
  append(name: string, value: string): void {
    const id = headerId(name);
    const known = id === 0 ? undefined : this.#first[id]! - 1;
    for (let i = known ?? 0; i >= 0 && i < this.#count; i++) {
      if (known === undefined && !this.#isUnknown(i, name)) continue;
      return this.#own(i, name, `${this.#value(i)},${value}`);
    }
    this.#push(id, name, value);
  }

  /** Removes all lines of a header. Returns whether there was one. */
  remove(name: string): boolean {
    const id = headerId(name);
    if (id !== 0) return this.removeId(id);
    let removed = false;
    for (let i = 0; i < this.#count; i++) {
      if (!this.#isUnknown(i, name)) continue;
      this.#drop(i);
      removed = true;
    }
    return removed;
  }

  removeId(id: HeaderId): boolean {
    const index = this.#first[id]!;
    if (index === 0) return false;
    this.#first[id] = 0;
    for (let i = index - 1; i < this.#count; i++)
      if (this.#ids[i] === id && this.#states[i] !== REMOVED) this.#drop(i);
    return true;
  }

  /** A copy that shares nothing with this map; for shadow requests, retries after a pause, logs. */
  clone(): HeaderMap {
    const copy = HeaderMap.acquire();
    copy.method = this.method;
    copy.path = this.path;
    copy.scheme = this.scheme;
    copy.authority = this.authority;
    copy.emptyAuthority = this.emptyAuthority;
    copy.headerCase = this.headerCase;
    copy.protocol = this.protocol;
    copy.status = this.status;
    for (let i = 0; i < this.#count; i++) {
      if (this.#states[i] !== REMOVED) copy.#push(this.#ids[i]!, this.#name(i), this.#value(i));
    }
    return copy;
  }

  /** Codec side: the string that entries added by `addRaw` point into. Names in it are lower case already. */
  setRaw(raw: string): void {
    this.#raw = raw;
  }

  /**
   * Codec side: adds an entry that lies in `raw`. `exact` says that the line is `name: value CRLF`, so that it may be
   * copied as it stands. A repeat of an inline header is folded into the first.
   */
  addRaw(
    id: HeaderId,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    exact: boolean,
  ): void {
    if (id !== 0 && this.#first[id] !== 0 && isInlineHeader(id)) {
      this.appendId(id, this.#raw.slice(valueStart, valueEnd));
      return;
    }
    const i = this.#grow(id);
    this.#states[i] = exact ? LINE : LOOSE;
    const o = i << 2;
    this.#offsets[o] = nameStart;
    this.#offsets[o + 1] = nameEnd;
    this.#offsets[o + 2] = valueStart;
    this.#offsets[o + 3] = valueEnd;
  }

  /** All lines as HTTP/1.1 writes them, each ending in CRLF, pseudo fields not included. */
  toLines(): string {
    let out = "";
    let runStart = -1;
    let runEnd = 0;
    for (let i = 0; i < this.#count; i++) {
      const state = this.#states[i]!;
      if (state === LINE) {
        const o = i << 2;
        const start = this.#offsets[o]!;
        if (runStart >= 0 && start === runEnd) {
          runEnd = this.#offsets[o + 3]! + 2;
          continue;
        }
        if (runStart >= 0) out += this.#raw.slice(runStart, runEnd);
        runStart = start;
        runEnd = this.#offsets[o + 3]! + 2;
        continue;
      }
      if (runStart >= 0) {
        out += this.#raw.slice(runStart, runEnd);
        runStart = -1;
      }
      if (state !== REMOVED) out += this.#name(i) + ": " + this.#value(i) + "\r\n";
    }
    return runStart >= 0 ? out + this.#raw.slice(runStart, runEnd) : out;
  }

  #name(i: number): string {
    if (this.#states[i] === OWNED) return this.#names[i]!;
    const id = this.#ids[i]!;
    if (id !== 0) return HEADER_NAMES[id]!;
    const o = i << 2;
    return this.#raw.slice(this.#offsets[o]!, this.#offsets[o + 1]!);
  }

  #value(i: number): string {
    if (this.#states[i] === OWNED) return this.#values[i]!;
    const o = i << 2;
    return this.#raw.slice(this.#offsets[o + 2]!, this.#offsets[o + 3]!);
  }

  #isUnknown(i: number, name: string): boolean {
    if (this.#ids[i] !== 0) return false;
    const state = this.#states[i]!;
    if (state === OWNED) return this.#names[i] === name;
    if (state === REMOVED) return false;
    const o = i << 2;
    const start = this.#offsets[o]!;
    return this.#offsets[o + 1]! - start === name.length && this.#raw.startsWith(name, start);
  }

  #push(id: HeaderId, name: string, value: string): void {
    const i = this.#grow(id);
    this.#states[i] = OWNED;
    this.#names[i] = name;
    this.#values[i] = value;
  }

  #own(i: number, name: string, value: string): void {
    this.#states[i] = OWNED;
    this.#names[i] = name;
    this.#values[i] = value;
  }

  #drop(i: number): void {
    this.#states[i] = REMOVED;
    this.#live--;
  }

  #grow(id: HeaderId): number {
    const i = this.#count++;
    this.#live++;
    if (i === this.#states.length) this.#enlarge();
    this.#ids[i] = id;
    if (id !== 0 && this.#first[id] === 0) this.#first[id] = i + 1;
    return i;
  }

  #enlarge(): void {
    const capacity = this.#states.length * 2;
    const states = new Uint8Array(capacity);
    states.set(this.#states);
    const ids = new Uint8Array(capacity);
    ids.set(this.#ids);
    const offsets = new Int32Array(capacity * 4);
    offsets.set(this.#offsets);
    this.#states = states;
    this.#ids = ids;
    this.#offsets = offsets;
  }

  #pseudo(name: string): string | undefined {
    switch (name) {
      case ":method":
        return this.method || undefined;
      case ":path":
        return this.path || undefined;
      case ":scheme":
        return this.scheme || undefined;
      case ":authority":
      case "host":
        return this.authority || (this.emptyAuthority ? "" : undefined);
      case ":protocol":
        return this.protocol || undefined;
      case ":status":
        return this.status === 0 ? undefined : String(this.status);
      default:
        return undefined;
    }
  }

  #setPseudo(name: string, value: string): void {
    if (name === ":method") this.method = value;
    else if (name === ":path") this.path = value;
    else if (name === ":scheme") this.scheme = value;
    else if (name === ":authority" || name === "host") this.authority = value;
    else if (name === ":protocol") this.protocol = value;
    else if (name === ":status") this.status = Number(value);
  }
}

const POOL_LIMIT = 1024;
const pool: HeaderMap[] = [];
