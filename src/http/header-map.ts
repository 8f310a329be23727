import {
  enlarged,
  FIELD_WIDTH,
  type FieldTable,
  ID_MASK,
  LINE,
  NAME_END,
  ODD,
  OWNED,
  READY,
  REMOVED,
  STATE_MASK,
  TAG,
  VALUE_END,
  VALUE_START,
} from "./field-table.ts";
import type { HeaderCase } from "./header-case.ts";
import type { HeaderLine } from "./header-line.ts";
import { HEADER_ID_COUNT, HEADER_NAMES, headerId, isInlineHeader, type HeaderId } from "./header-name.ts";
import { PseudoFields } from "./pseudo-fields.ts";
import { HEADER_SET_WORDS, type HeaderSet } from "./header-set.ts";

const FIRST_CAPACITY = 32;
/** Longest arrays of strings that a pooled map keeps. */
const KEPT_CAPACITY = 64;
/** What stands before the value of a well-known header, by id. */
const PREFIXES: readonly string[] = HEADER_NAMES.map((name) => name + ": ");

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
export class HeaderMap extends PseudoFields {
  /** How names are written over HTTP/1.1; undefined = as the codec does by itself. */
  headerCase: HeaderCase | undefined = undefined;

  #raw = "";
  #count = 0;
  #live = 0;
  /** See field-table.ts; offsets point into `raw`. */
  #fields = new Int32Array(FIRST_CAPACITY * FIELD_WIDTH);
  /** Names of owned fields that are not well known. */
  #names: string[] = [];
  /** Values of owned fields. */
  #values: string[] = [];
  /** Of ready fields. */
  #lineOf: HeaderLine[] = [];
  /** Index of the first live entry per well-known name, plus one; 0 = none. */
  readonly #first = new Uint16Array(HEADER_ID_COUNT);
  /** A bit per well-known name that has a live entry. */
  readonly #present = new Int32Array(HEADER_SET_WORDS);

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
    this.clearPseudo();
    this.headerCase = undefined;
    this.#raw = "";
    const count = this.#count;
    for (let i = 0, o = TAG; i < count; i++, o += FIELD_WIDTH) this.#first[this.#fields[o]! & ID_MASK] = 0;
    for (let i = 0; i < HEADER_SET_WORDS; i++) this.#present[i] = 0;
    if (this.#values.length > KEPT_CAPACITY) {
      this.#names = [];
      this.#values = [];
      this.#lineOf = [];
    } else {
      // Overwritten, not dropped: pooled maps would grow their arrays anew for every message.
      for (let i = Math.min(this.#values.length, count) - 1; i >= 0; i--) this.#values[i] = "";
      for (let i = Math.min(this.#names.length, count) - 1; i >= 0; i--) this.#names[i] = "";
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
    for (let i = 0; i < this.#count; i++)
      if (this.#isLive(i)) bytes += this.#name(i).length + this.#value(i).length;
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

  /** Whether there is a header of the set. */
  hasAny(set: HeaderSet): boolean {
    const { words } = set;
    for (let i = 0; i < HEADER_SET_WORDS; i++) if ((this.#present[i]! & words[i]!) !== 0) return true;
    return false;
  }

  /** First value of a header by lower-case name; ":method" and the like, and "host", read the pseudo fields. */
  get(name: string): string | undefined {
    if (name.charCodeAt(0) === 58 || name === "host") return this.pseudo(name);
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
      const value = this.pseudo(name);
      return value === undefined ? [] : [value];
    }
    const id = headerId(name);
    if (id !== 0 && this.#first[id] === 0) return [];
    const found: string[] = [];
    for (let i = 0; i < this.#count; i++) {
      if (id !== 0 ? this.#id(i) === id && this.#isLive(i) : this.#isUnknown(i, name))
        found.push(this.#value(i));
    }
    return found;
  }

  /** Calls back for each header line in order, pseudo fields not included. */
  forEach(visit: (name: string, value: string) => void): void {
    for (let i = 0; i < this.#count; i++) if (this.#isLive(i)) visit(this.#name(i), this.#value(i));
  }

  /** Codec side: `forEach` with ids, for visitors that live longer than one call. */
  visit(visitor: HeaderVisitor): void {
    for (let i = 0; i < this.#count; i++)
      if (this.#isLive(i)) visitor.onHeader(this.#id(i), this.#name(i), this.#value(i));
  }

  /** Appends a line, even if there is one of that name. */
  add(name: string, value: string): void {
    this.#push(headerId(name), name, value);
  }

  /** `add` for a well-known name. */
  addId(id: HeaderId, value: string): void {
    this.#push(id, "", value);
  }

  /** `add` for a name that is not well known. */
  addUnknown(name: string, value: string): void {
    this.#push(0, name, value);
  }

  /** Sets the one value of a header: in place of the first line of that name, else at the end; ":path", "host" and the like set the pseudo field. */
  set(name: string, value: string): void {
    if (name.charCodeAt(0) === 58 || name === "host") return this.setPseudo(name, value);
    const id = headerId(name);
    if (id !== 0) return this.setId(id, value);
    let index = -1;
    for (let i = 0; i < this.#count; i++) {
      if (!this.#isUnknown(i, name)) continue;
      if (index < 0) index = i;
      else this.#drop(i);
    }
    if (index < 0) return this.#push(0, name, value);
    this.#names[index] = name;
    this.#put(index, OWNED, value);
  }

  setId(id: HeaderId, value: string): void {
    this.#put(this.#placeOf(id), OWNED | id, value);
  }

  /** `setId` by a line that is put together already. */
  setLine(line: HeaderLine): void {
    const i = this.#placeOf(line.id);
    this.#fields[i * FIELD_WIDTH + TAG] = READY | line.id;
    this.#lineOf[i] = line;
  }

  /** Appends to the value of an inline header with `separator` between, or adds it. */
  appendId(id: HeaderId, value: string, separator = ","): void {
    const index = this.#first[id]!;
    if (index === 0) this.#push(id, "", value);
    else this.#put(index - 1, OWNED | id, this.#value(index - 1) + separator + value);
  }

  /** Appends to the first value of a header with "," between, or adds it; pseudo fields excepted. */
  append(name: string, value: string): void {
    const id = headerId(name);
    if (id !== 0) return this.appendId(id, value);
    for (let i = 0; i < this.#count; i++) {
      if (!this.#isUnknown(i, name)) continue;
      this.#names[i] = name;
      return this.#put(i, OWNED, `${this.#value(i)},${value}`);
    }
    this.#push(0, name, value);
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
    this.#present[id >> 5]! &= ~(1 << (id & 31));
    for (let i = index - 1; i < this.#count; i++) if (this.#id(i) === id && this.#isLive(i)) this.#drop(i);
    return true;
  }

  /** Removes all lines of all headers of the set. */
  removeSet(set: HeaderSet): void {
    const { words } = set;
    for (let i = 0; i < HEADER_SET_WORDS; i++) {
      let found = this.#present[i]! & words[i]!;
      while (found !== 0) {
        const bit = 31 - Math.clz32(found);
        found &= ~(1 << bit);
        this.removeId((i << 5) | bit);
      }
    }
  }

  /** A copy that shares nothing with this map; for shadow requests, retries after a pause, logs. */
  clone(): HeaderMap {
    const copy = HeaderMap.acquire();
    copy.copyPseudo(this);
    copy.headerCase = this.headerCase;
    for (let i = 0; i < this.#count; i++)
      if (this.#isLive(i)) copy.#push(this.#id(i), this.#name(i), this.#value(i));
    return copy;
  }

  /**
   * Codec side: an empty map takes over the fields of a head, which point into `raw`, its text with the names in lower case.
   * The table gets the map's own numbers for the next head. Repeats of an inline header are folded into the first.
   */
  adopt(raw: string, table: FieldTable): void {
    const fields = table.ints;
    table.ints = this.#fields;
    this.#fields = fields;
    this.#raw = raw;
    const count = (this.#count = this.#live = table.count);
    const first = this.#first;
    for (let i = 0, o = TAG; i < count; i++, o += FIELD_WIDTH) {
      const tag = fields[o]!;
      if (tag === REMOVED) {
        this.#live--;
        continue;
      }
      const id = tag & ID_MASK;
      if ((tag & ODD) !== 0) this.#straighten(i, id);
      if (id === 0) continue;
      if (first[id] === 0) {
        first[id] = i + 1;
        this.#present[id >> 5]! |= 1 << (id & 31);
      } else if (isInlineHeader(id)) {
        this.appendId(id, this.#value(i));
        this.#drop(i);
      }
    }
  }

  /** Whether the first line of `a` stands before that of `b`; both are there. */
  precedes(a: HeaderId, b: HeaderId): boolean {
    return this.#first[a]! < this.#first[b]!;
  }

  /** All lines as HTTP/1.1 writes them, each ending in CRLF, pseudo fields not included. */
  toLines(): string {
    return this.#lines("", 0);
  }

  /** Request line, host and all lines as HTTP/1.1 writes them. */
  toRequestLines(): string {
    if (this.startEnd > 0) return this.#lines("", this.startEnd);
    return this.#lines(this.method + " " + this.path + " HTTP/1.1\r\nhost: " + this.authority + "\r\n", 0);
  }

  /** Appends all lines to `out`; the text up to `start` comes before them as it is. */
  #lines(out: string, start: number): string {
    const raw = this.#raw;
    const fields = this.#fields;
    // A run of lines that nobody touched.
    let from = 0;
    let to = start;
    for (let i = 0, o = 0; i < this.#count; i++, o += FIELD_WIDTH) {
      const tag = fields[o + TAG]!;
      const state = tag & STATE_MASK;
      if (state === LINE) {
        if (fields[o] !== to) {
          if (to > from) out += raw.slice(from, to);
          from = fields[o]!;
        }
        to = fields[o + VALUE_END]! + 2;
      } else if (state !== REMOVED) {
        if (to > from) out += raw.slice(from, to);
        from = to;
        if (state === READY) out += this.#lineOf[i]!.text;
        else if ((tag & ID_MASK) !== 0) out += PREFIXES[tag & ID_MASK]! + this.#value(i) + "\r\n";
        else out += this.#name(i) + ": " + this.#value(i) + "\r\n";
      }
    }
    return to > from ? out + raw.slice(from, to) : out;
  }

  #id(i: number): HeaderId {
    return this.#fields[i * FIELD_WIDTH + TAG]! & ID_MASK;
  }

  #isLive(i: number): boolean {
    return (this.#fields[i * FIELD_WIDTH + TAG]! & STATE_MASK) !== REMOVED;
  }

  #name(i: number): string {
    const o = i * FIELD_WIDTH;
    const tag = this.#fields[o + TAG]!;
    if ((tag & ID_MASK) !== 0) return HEADER_NAMES[tag & ID_MASK]!;
    if ((tag & STATE_MASK) === OWNED) return this.#names[i]!;
    return this.#raw.slice(this.#fields[o], this.#fields[o + NAME_END]);
  }

  #value(i: number): string {
    const o = i * FIELD_WIDTH;
    const tag = this.#fields[o + TAG]!;
    const state = tag & STATE_MASK;
    if (state === OWNED) return this.#values[i]!;
    if (state === READY) return this.#lineOf[i]!.value;
    return this.#raw.slice(this.#fields[o + VALUE_START], this.#fields[o + VALUE_END]);
  }

  #isUnknown(i: number, name: string): boolean {
    const o = i * FIELD_WIDTH;
    const tag = this.#fields[o + TAG]!;
    if (tag === OWNED) return this.#names[i] === name;
    if ((tag & ID_MASK) !== 0 || tag === REMOVED) return false;
    const start = this.#fields[o]!;
    return this.#fields[o + NAME_END]! - start === name.length && this.#raw.startsWith(name, start);
  }

  /** Index of the one entry that a well-known header is to have: its first, or a new one. */
  #placeOf(id: HeaderId): number {
    const index = this.#first[id]!;
    if (index === 0) return this.#grow(id);
    if (!isInlineHeader(id))
      for (let i = index; i < this.#count; i++) if (this.#id(i) === id && this.#isLive(i)) this.#drop(i);
    return index - 1;
  }

  #push(id: HeaderId, name: string, value: string): void {
    const i = this.#grow(id);
    if (id === 0) this.#names[i] = name;
    this.#put(i, OWNED | id, value);
  }

  #put(i: number, tag: number, text: string): void {
    this.#fields[i * FIELD_WIDTH + TAG] = tag;
    this.#values[i] = text;
  }

  /** Takes folds and stray CRs out of a value. */
  #straighten(i: number, id: HeaderId): void {
    if (id === 0) this.#names[i] = this.#name(i);
    this.#put(
      i,
      OWNED | id,
      this.#value(i)
        .replaceAll(/[\r\n]/g, "")
        .trimStart(),
    );
  }

  #drop(i: number): void {
    this.#fields[i * FIELD_WIDTH + TAG]! &= ID_MASK;
    this.#live--;
  }

  #grow(id: HeaderId): number {
    const i = this.#count++;
    this.#live++;
    if (i * FIELD_WIDTH === this.#fields.length) this.#fields = enlarged(this.#fields);
    if (id !== 0 && this.#first[id] === 0) {
      this.#first[id] = i + 1;
      this.#present[id >> 5]! |= 1 << (id & 31);
    }
    return i;
  }
}

const POOL_LIMIT = 1024;
const pool: HeaderMap[] = [];
