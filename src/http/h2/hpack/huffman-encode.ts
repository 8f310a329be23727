import { CODE_LENGTHS, CODES } from "./huffman-code.ts";

/** Encodes with the code of RFC 7541 appendix B. For strings that are rare: fields are written plain, which is faster. */
export function huffmanEncode(bytes: Uint8Array): Buffer {
  let bits = 0;
  for (const byte of bytes) bits += CODE_LENGTHS[byte]!;
  const out = Buffer.alloc((bits + 7) >> 3);
  let at = 0;
  for (const byte of bytes) {
    const code = CODES[byte]!;
    for (let left = CODE_LENGTHS[byte]! - 1; left >= 0; left--, at++)
      if (((code >>> left) & 1) === 1) out[at >> 3]! |= 0x80 >> (at & 7);
  }
  // What is left of the last byte is filled with ones.
  for (; (at & 7) !== 0; at++) out[at >> 3]! |= 0x80 >> (at & 7);
  return out;
}
