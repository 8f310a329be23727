import { CR, LF, SPACE, TAB } from "./characters.ts";
import { INCOMPLETE, REFUSED } from "./field-scanner.ts";

const SIZE_FIRST = 0;
const SIZE = 1;
const EXTENSION = 2;
const SIZE_LF = 3;
const DATA = 4;
const DATA_END = 5;

/** Digits that 64 bits hold. */
const MAX_DIGITS = 16;
const DIGIT = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  const digit = i.toString(16);
  DIGIT[digit.charCodeAt(0)] = DIGIT[digit.toUpperCase().charCodeAt(0)] = i;
}

/**
 * The chunked coding (RFC 9112 section 7.1) up to its last chunk; the trailer section is not its business. As lenient as
 * Envoy's parser: anything may follow the size after white space or ";", and bytes between a chunk and its line's end are skipped.
 */
export class ChunkReader {
  /** Bytes of the current chunk that are still to come. */
  remaining = 0;
  /** The last chunk's line has been read. */
  done = false;
  #state = SIZE_FIRST;
  #digits = 0;

  reset(): void {
    this.remaining = this.#digits = 0;
    this.#state = SIZE_FIRST;
    this.done = false;
  }

  /** Whether the next bytes, up to `remaining`, are data. */
  get inData(): boolean {
    return this.#state === DATA;
  }

  /** The owner took data. */
  took(length: number): void {
    this.remaining -= length;
    if (this.remaining === 0) this.#state = DATA_END;
  }

  /** Reads framing up to the next data or the end of the last chunk's line. Returns the new offset or REFUSED. */
  readFraming(bytes: Buffer, start: number, end: number): number {
    let q = start;
    while (q < end) {
      const c = bytes[q]!;
      switch (this.#state) {
        case SIZE_FIRST:
          if (DIGIT[c]! < 0) return REFUSED;
          this.remaining = this.#digits = 0;
          this.#state = SIZE;
          continue;
        case SIZE: {
          const digit = DIGIT[c]!;
          if (digit >= 0) {
            if (this.#digits > 0 || digit > 0) this.#digits++;
            if (this.#digits > MAX_DIGITS) return REFUSED;
            this.remaining = this.remaining * 16 + digit;
          } else if (c === CR) this.#state = SIZE_LF;
          else if (c === 59 || c === SPACE || c === TAB) this.#state = EXTENSION;
          else return REFUSED;
          break;
        }
        case EXTENSION:
          if (c === CR) this.#state = SIZE_LF;
          else if (c === LF) return REFUSED;
          break;
        case SIZE_LF:
          if (c !== LF) return REFUSED;
          if (this.remaining === 0) {
            this.done = true;
            return q + 1;
          }
          this.#state = DATA;
          return q + 1;
        case DATA_END:
          if (c === LF) this.#state = SIZE_FIRST;
          break;
        default:
          return q;
      }
      q++;
    }
    return q;
  }
}

/** Offset behind the empty line of a trailer section that begins at `start`, or INCOMPLETE. */
export function findTrailerEnd(
  bytes: Buffer,
  start: number,
  end: number,
  find: (bytes: Buffer, from: number, end: number) => number,
): number {
  if (start >= end) return INCOMPLETE;
  if (bytes[start] === LF) return start + 1;
  if (bytes[start] === CR && start + 1 < end && bytes[start + 1] === LF) return start + 2;
  return find(bytes, start, end);
}
