import { HEADER_ID_COUNT, knownHeaderId } from "./header-name.ts";

/** Number of 32-bit words of a set. */
export const HEADER_SET_WORDS: number = (HEADER_ID_COUNT + 31) >> 5;

/** A fixed set of well-known header names: asking a map for any of them costs no more than asking for one. */
export class HeaderSet {
  /** One bit per HeaderId. */
  readonly words: Int32Array = new Int32Array(HEADER_SET_WORDS);

  /** Throws for names that are not well known. */
  constructor(names: readonly string[]) {
    for (const name of names) {
      const id = knownHeaderId(name);
      this.words[id >> 5]! |= 1 << (id & 31);
    }
  }
}
