import { CODE_LENGTHS, CODES, END_OF_STRING } from "./huffman-code.ts";

// A state machine over whole bytes: the states are the 256 inner nodes of the code's tree. A step says what the next state
// is and which symbols a byte completes; the shortest code has five bits, so there are two at most.

/** Layout of a step: bits 0-7 next state, 8-15 and 16-23 symbols, 24-25 their number, 26 failure. */
const FAILED = 1 << 26;

let steps: Uint32Array | null = null;
/** Whether a string may end in a state: it is at most seven 1-bits away from the root (RFC 7541 section 5.2). */
const mayEnd = new Uint8Array(256);

/**
 * Decodes bytes[start, end) into `out` from offset 0. Returns the number of bytes written, or -1 when the string is not
 * valid. `out` must have room for 8/5 of the input.
 */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  const table = (steps ??= build());
  let state = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    const step = table[(state << 8) | bytes[i]!]!;
    state = step & 255;
    const count = step >>> 24;
    if (count === 0) continue;
    if (count > 2) return -1;
    out[length++] = step >>> 8;
    if (count === 2) out[length++] = step >>> 16;
  }
  return mayEnd[state] === 1 ? length : -1;
}

/** Child nodes by node and bit: inner nodes as they are, symbols as -1 - symbol. */
function tree(): Int32Array {
  const children = new Int32Array(512);
  let nodes = 1;
  for (let symbol = 0; symbol < CODES.length; symbol++) {
    let node = 0;
    for (let bit = CODE_LENGTHS[symbol]! - 1; bit >= 0; bit--) {
      const at = node * 2 + ((CODES[symbol]! >>> bit) & 1);
      if (bit === 0) children[at] = -1 - symbol;
      else node = children[at] ||= nodes++;
    }
  }
  return children;
}

function build(): Uint32Array {
  const children = tree();
  const table = new Uint32Array(65_536);
  for (let state = 0; state < 256; state++)
    for (let byte = 0; byte < 256; byte++) table[(state << 8) | byte] = stepOf(children, state, byte);
  for (let node = 0, ones = 0; ones < 8; ones++, node = children[node * 2 + 1]!) mayEnd[node] = 1;
  return table;
}

function stepOf(children: Int32Array, state: number, byte: number): number {
  let node = state;
  let count = 0;
  let symbols = 0;
  for (let bit = 7; bit >= 0; bit--) {
    const child = children[node * 2 + ((byte >>> bit) & 1)]!;
    if (child >= 0) {
      node = child;
      continue;
    }
    const symbol = -1 - child;
    if (symbol === END_OF_STRING) return FAILED;
    symbols |= symbol << (8 + 8 * count++);
    node = 0;
  }
  return node | symbols | (count << 24);
}
