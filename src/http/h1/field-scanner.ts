import type { CodecError } from "../stream.ts";
import {
  FIELD_WIDTH,
  FieldTable,
  LINE,
  LOOSE,
  NAME_END,
  ODD,
  REMOVED,
  TAG,
  VALUE_END,
} from "../field-table.ts";
import { headerIdOfBytes, type HeaderId } from "../header-name.ts";
import { COLON, CR, DEL, LF, SPACE, TAB, TOKEN, VALUE } from "./characters.ts";
import { CODEC_ERROR, INVALID_CHARACTERS, TOO_MANY_HEADERS } from "./errors.ts";

/** The section goes on in bytes that have not arrived. */
export const INCOMPLETE = -1;
/** The section is refused; `error` says why. */
export const REFUSED = -2;

/**
 * Finds the fields of a header or trailer section (RFC 9112 section 5) in one pass and lower-cases their names in place.
 * Lenient where Envoy's parser is: lines may end in LF alone, folds and stray CRs are taken out of values.
 * One instance serves a thread: a section is scanned and put into a map before anything else can be.
 */
export class FieldScanner {
  /** What was found, for a HeaderMap to adopt. */
  readonly fields = new FieldTable();
  error: CodecError = CODEC_ERROR;

  /**
   * Scans from a line start. Offsets of what is found count from `base`. Returns the offset behind the empty line, INCOMPLETE
   * or REFUSED.
   */
  scan(bytes: Buffer, base: number, start: number, end: number, maxFields: number): number {
    this.fields.count = 0;
    let q = start;
    for (;;) {
      q = this.#scanPlain(bytes, base, q, end, maxFields);
      if (q >= end) return INCOMPLETE;
      const c = bytes[q]!;
      if (c === LF) return q + 1;
      if (c === CR) {
        if (q + 1 >= end) return INCOMPLETE;
        return bytes[q + 1] === LF ? q + 2 : this.#refuse(CODEC_ERROR);
      }
      q = this.#scanLine(bytes, base, q, end, maxFields);
      if (q < 0) return q;
    }
  }

  /** Takes lines as long as they are `name: value CRLF` and no fold follows. Returns where another kind of line begins. */
  #scanPlain(bytes: Buffer, base: number, start: number, end: number, maxFields: number): number {
    const { fields } = this;
    let q = start;
    while (fields.count < maxFields) {
      let c = 0;
      let lower = 0;
      let nameEnd = q;
      while (nameEnd < end && (lower = TOKEN[(c = bytes[nameEnd]!)]!) !== 0) bytes[nameEnd++] = lower;
      const valueStart = nameEnd + 2;
      if (c !== COLON || nameEnd === q || valueStart >= end || bytes[nameEnd + 1] !== SPACE) break;
      if (bytes[valueStart]! <= SPACE) break;
      let valueEnd = valueStart;
      while (valueEnd < end && (c = bytes[valueEnd]!) >= SPACE && c !== DEL) valueEnd++;
      if (c !== CR || valueEnd + 2 >= end || bytes[valueEnd + 1] !== LF) break;
      if (bytes[valueEnd - 1] === SPACE || isBlank(bytes[valueEnd + 2]!)) break;
      const tag = LINE | headerIdOfBytes(bytes, q, nameEnd);
      fields.append(q - base, nameEnd - base, valueStart - base, valueEnd - base, tag);
      q = valueEnd + 2;
    }
    return q;
  }

  /** Takes one line, of whatever kind. Returns the offset behind it, INCOMPLETE or REFUSED. */
  #scanLine(bytes: Buffer, base: number, start: number, end: number, maxFields: number): number {
    let q = start;
    let c = 0;
    let lower = 0;
    while (q < end && (lower = TOKEN[(c = bytes[q]!)]!) !== 0) bytes[q++] = lower;
    if (q >= end) return INCOMPLETE;
    if (c !== COLON || q === start) return this.#refuse(VALUE[c] === 2 ? INVALID_CHARACTERS : CODEC_ERROR);
    if (this.fields.count === maxFields) return this.#refuse(TOO_MANY_HEADERS);
    const nameEnd = q++;
    while (q < end && isBlank(bytes[q]!)) q++;
    const valueStart = q;
    let odd = false;
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
          odd = true;
          q++;
          continue;
        }
        q++;
      }
      q++;
      // Whether the line is folded shows in the next byte.
      if (q >= end) return INCOMPLETE;
      if (!isBlank(bytes[q]!)) break;
      odd = true;
    }
    let valueEnd = lineEnd;
    while (valueEnd > valueStart && isEdge(bytes[valueEnd - 1]!)) valueEnd--;
    const exact = valueEnd === lineEnd && q === lineEnd + 2 && valueStart === nameEnd + 2;
    const state = odd ? LOOSE | ODD : exact && bytes[nameEnd + 1] === SPACE ? LINE : LOOSE;
    const tag = state | headerIdOfBytes(bytes, start, nameEnd);
    this.fields.append(start - base, nameEnd - base, valueStart - base, valueEnd - base, tag);
    return q;
  }

  /** Name of a field in `text`, the text of the bytes from `base` on. */
  name(i: number, text: string): string {
    const { ints } = this.fields;
    const o = i * FIELD_WIDTH;
    return text.slice(ints[o], ints[o + NAME_END]);
  }

  /** Where the line of the first field ends, if it is a plain one of this name that begins at `start`; else 0. */
  firstLineEnd(id: HeaderId, start: number): number {
    const { ints, count } = this.fields;
    return count > 0 && ints[TAG] === (LINE | id) && ints[0] === start ? ints[VALUE_END]! + 2 : 0;
  }

  /** Takes the fields out that have "_" in their names. Returns whether there were any. */
  dropUnderscores(bytes: Buffer, base: number): boolean {
    const { ints, count } = this.fields;
    let found = false;
    for (let o = 0; o < count * FIELD_WIDTH; o += FIELD_WIDTH) {
      if (!hasUnderscore(bytes, base + ints[o]!, base + ints[o + NAME_END]!)) continue;
      ints[o + TAG] = REMOVED;
      found = true;
    }
    return found;
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
  return c === SPACE || c === TAB;
}

/** What does not count at the end of a value. */
function isEdge(c: number): boolean {
  return isBlank(c) || c === CR || c === LF;
}

function hasUnderscore(bytes: Buffer, start: number, end: number): boolean {
  for (let q = start; q < end; q++) if (bytes[q] === 95) return true;
  return false;
}
