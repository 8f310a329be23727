import { latin1 } from "../../base/latin1.ts";
import type { CodecError } from "../stream.ts";
import { CR, DEL, LF, SPACE, TAB, VALUE } from "./characters.ts";
import { CODEC_ERROR, INVALID_CHARACTERS } from "./errors.ts";
import { INCOMPLETE } from "./field-scanner.ts";

/** The version is 1.1. */
export const HTTP_1_1 = 11;
/** The version is 1.0. */
const HTTP_1_0 = 10;
/** Any other version of the form HTTP/digit.digit, and a request line without one. */
export const HTTP_OTHER = 9;

/**
 * The words of a request or status line (RFC 9112 sections 3 and 4). As in Envoy's parser, words are divided by any run of
 * spaces and tabs. One instance serves a thread.
 */
export class StartLine {
  /** Behind the line's LF. */
  end = 0;
  firstStart = 0;
  firstEnd = 0;
  secondStart = 0;
  secondEnd = 0;
  /** The third word, and all up to the end of the line. */
  restStart = 0;
  restEnd = 0;

  /** The line is as one would write it: three words, one space between them, CRLF; the second is visible ASCII. */
  regular = false;

  /** Finds the words. Returns an error, INCOMPLETE when the line has no end yet, or undefined. */
  split(bytes: Buffer, start: number, end: number): CodecError | typeof INCOMPLETE | undefined {
    this.regular = this.#splitRegular(bytes, start, end);
    return this.regular ? undefined : this.#splitAny(bytes, start, end);
  }

  /** Takes a line that is as it should be, in one pass; false for any other. */
  #splitRegular(bytes: Buffer, start: number, end: number): boolean {
    let q = start;
    let c = 0;
    while (q < end && (c = bytes[q]!) > SPACE && c !== DEL) q++;
    if (q >= end || c !== SPACE || q === start) return false;
    const secondStart = q + 1;
    this.firstStart = start;
    this.firstEnd = q++;
    while (q < end && (c = bytes[q]!) > SPACE && c < DEL) q++;
    if (q >= end || c !== SPACE || q === secondStart) return false;
    const restStart = q + 1;
    this.secondStart = secondStart;
    this.secondEnd = q++;
    while (q < end && (c = bytes[q]!) >= SPACE && c !== DEL) q++;
    if (q + 1 >= end || c !== CR || bytes[q + 1] !== LF || q === restStart) return false;
    if (bytes[restStart] === SPACE || bytes[q - 1] === SPACE) return false;
    this.restStart = restStart;
    this.restEnd = q;
    this.end = q + 2;
    return true;
  }

  #splitAny(bytes: Buffer, start: number, end: number): CodecError | typeof INCOMPLETE | undefined {
    let q = start;
    let bad = false;
    for (;;) {
      while (q < end && VALUE[bytes[q]!] === 0) q++;
      if (q >= end) return INCOMPLETE;
      if (bytes[q] === LF) break;
      if (bytes[q] !== CR) bad = true;
      q++;
    }
    this.end = q + 1;
    if (bad) return INVALID_CHARACTERS;
    let last = q;
    while (last > start && (bytes[last - 1] === CR || isSpace(bytes[last - 1]!))) last--;
    q = start;
    this.firstStart = q;
    while (q < last && !isSpace(bytes[q]!)) q++;
    this.firstEnd = q;
    while (q < last && isSpace(bytes[q]!)) q++;
    this.secondStart = q;
    while (q < last && !isSpace(bytes[q]!)) q++;
    this.secondEnd = q;
    while (q < last && isSpace(bytes[q]!)) q++;
    this.restStart = q;
    this.restEnd = last;
    return this.firstEnd === this.firstStart ? CODEC_ERROR : undefined;
  }
}

/** The thread's start line. */
export const startLine = new StartLine();

/** Version that bytes[start, end) name, or 0 if it is none. */
export function versionOf(bytes: Buffer, start: number, end: number): number {
  if (end - start !== 8) return 0;
  // "HTTP/1." and one digit, without making a string.
  if (
    bytes[start] === 72 &&
    bytes[start + 1] === 84 &&
    bytes[start + 2] === 84 &&
    bytes[start + 3] === 80 &&
    bytes[start + 4] === 47 &&
    bytes[start + 5] === 49 &&
    bytes[start + 6] === 46
  ) {
    if (bytes[start + 7] === 49) return HTTP_1_1;
    if (bytes[start + 7] === 48) return HTTP_1_0;
  }
  return /^HTTP\/\d\.\d$/.test(latin1(bytes, start, end)) ? HTTP_OTHER : 0;
}

function isSpace(c: number): boolean {
  return c === SPACE || c === TAB;
}
