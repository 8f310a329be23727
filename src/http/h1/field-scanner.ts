import type { CodecError } from "../stream.ts";
import { headerIdOfBytes, isInlineHeader, type HeaderId } from "../header-name.ts";
import type { HeaderMap } from "../header-map.ts";
import { COLON, CR, LF, SPACE, TAB, TOKEN, VALUE } from "./characters.ts";
import { CODEC_ERROR, INVALID_CHARACTERS, TOO_MANY_HEADERS } from "./errors.ts";

/** The section goes on in bytes that have not arrived. */
export const INCOMPLETE = -1;
/** The section is refused; `error` says why. */
export const REFUSED = -2;

/** Numbers per field: name start, name end, value start, value end, id and form. */
const WIDTH = 5;
/** The line is `name: value CRLF`. */
const EXACT = 1 << 8;
/** The value holds line folds or stray CRs, which are taken out. */
const ODD = 1 << 9;

/**
 * Finds the fields of a header or trailer section (RFC 9112 section 5) in one pass and lower-cases their names in place.
 * Lenient where Envoy's parser is: lines may end in LF alone, folds and stray CRs are taken out of values.
 * One instance serves a thread: a section is scanned and put into a map before anything else can be.
 */
export class FieldScanner {
  /** Number of fields found. */
  count = 0;
  error: CodecError = CODEC_ERROR;
  #table = new Int32Array(WIDTH * 128);

  /** Scans from a line start. Returns the offset behind the empty line, INCOMPLETE or REFUSED. */
  scan(bytes: Buffer, start: number, end: number, maxFields: number): number {
    let q = start;
    this.count = 0;
    for (;;) {
      if (q >= end) return INCOMPLETE;
      let c = bytes[q]!;
      if (c === LF) return q + 1;
      if (c === CR) {
        if (q + 1 >= end) return INCOMPLETE;
        if (bytes[q + 1] === LF) return q + 2;
        return this.#refuse(CODEC_ERROR);
      }
      const nameStart = q;
      let lower = 0;
      while (q < end && (lower = TOKEN[(c = bytes[q]!)]!) !== 0) bytes[q++] = lower;
      if (q >= end) return INCOMPLETE;
      if (c !== COLON || q === nameStart)
        return this.#refuse(VALUE[c] === 2 ? INVALID_CHARACTERS : CODEC_ERROR);
      if (this.count === maxFields) return this.#refuse(TOO_MANY_HEADERS);
      const nameEnd = q++;
      while (q < end && ((c = bytes[q]!) === SPACE || c === TAB)) q++;
      const valueStart = q;
      let form = 0;
      let lineEnd = 0;
      for (;;) {
        while (q < end && VALUE[bytes[q]!] === 0) q++;
        if (q >= end) return INCOMPLETE;
        c = bytes[q]!;
        if (VALUE[c] === 2) return this.#refuse(INVALID_CHARACTERS);
        lineEnd = q;
        if (c === CR) {
          if (q + 1 >= end) return INCOMPLETE;
          if (bytes[q + 1] !== LF) {
            form = ODD;
            q++;
            continue;
          }
          q++;
        }
        q++;
        // Whether the line is folded shows in the next byte.
        if (q >= end) return INCOMPLETE;
        if ((c = bytes[q]!) !== SPACE && c !== TAB) break;
        form = ODD;
      }
      let valueEnd = lineEnd;
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
      if (
        form === 0 &&
        valueEnd === lineEnd &&
        q === lineEnd + 2 &&
        valueStart === nameEnd + 2 &&
        bytes[nameEnd + 1] === SPACE
      )
        form = EXACT;
      this.#put(nameStart, nameEnd, valueStart, valueEnd, form | headerIdOfBytes(bytes, nameStart, nameEnd));
    }
  }

  id(i: number): HeaderId {
    return this.#table[i * WIDTH + 4]! & 0xff;
  }

  /** Name of a field in `text`, which is the text of the bytes from `base` on. */
  name(i: number, text: string, base: number): string {
    const o = i * WIDTH;
    return text.slice(this.#table[o]! - base, this.#table[o + 1]! - base);
  }

  /** Value of a field; `raw` is the text of the bytes from `base` on. */
  value(i: number, raw: string, base: number): string {
    const o = i * WIDTH;
    const value = raw.slice(this.#table[o + 2]! - base, this.#table[o + 3]! - base);
    return (this.#table[o + 4]! & ODD) === 0 ? value : value.replaceAll(/[\r\n]/g, "").trimStart();
  }

  hasUnderscore(i: number, bytes: Buffer): boolean {
    const o = i * WIDTH;
    for (let q = this.#table[o]!; q < this.#table[o + 1]!; q++) if (bytes[q] === 95) return true;
    return false;
  }

  /** Adds a field to a map whose raw text is `raw`. */
  addTo(map: HeaderMap, i: number, raw: string, base: number): void {
    const table = this.#table;
    const o = i * WIDTH;
    const form = table[o + 4]!;
    const id = form & 0xff;
    if ((form & ODD) === 0) {
      map.addRaw(
        id,
        table[o]! - base,
        table[o + 1]! - base,
        table[o + 2]! - base,
        table[o + 3]! - base,
        (form & EXACT) !== 0,
      );
      return;
    }
    const value = this.value(i, raw, base);
    if (id === 0) map.add(raw.slice(table[o]! - base, table[o + 1]! - base), value);
    else if (isInlineHeader(id)) map.appendId(id, value);
    else map.addId(id, value);
  }

  #put(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, form: number): void {
    const o = this.count++ * WIDTH;
    if (o === this.#table.length) {
      const larger = new Int32Array(o * 2);
      larger.set(this.#table);
      this.#table = larger;
    }
    const table = this.#table;
    table[o] = nameStart;
    table[o + 1] = nameEnd;
    table[o + 2] = valueStart;
    table[o + 3] = valueEnd;
    table[o + 4] = form;
  }

  #refuse(error: CodecError): number {
    this.error = error;
    return REFUSED;
  }
}

/** The thread's scanner. */
export const fieldScanner = new FieldScanner();

/**
 * Offset behind the empty line that ends a head, or INCOMPLETE. `from` lies in the head's first line or later; a call with more
 * bytes may start 2 bytes before the end of the last one.
 */
export function findHeadEnd(bytes: Buffer, from: number, end: number): number {
  for (let q = from; q + 1 < end; q++) {
    if (bytes[q] !== LF) continue;
    const next = bytes[q + 1];
    if (next === LF) return q + 2;
    if (next === CR && q + 2 < end && bytes[q + 2] === LF) return q + 3;
  }
  return INCOMPLETE;
}

/** Whether a control character is among the bytes. */
export function hasInvalidCharacter(bytes: Buffer, start: number, end: number): boolean {
  for (let q = start; q < end; q++) if (VALUE[bytes[q]!] === 2) return true;
  return false;
}

function isBlank(c: number): boolean {
  return c === SPACE || c === TAB || c === CR || c === LF;
}
