/** Writes an integer (RFC 7541 section 5.1) whose prefix has the bits of `mask`; returns the offset behind it. */
export function writeInteger(buffer: Buffer, at: number, value: number, mask: number, first: number): number {
  if (value < mask) {
    buffer[at] = first | value;
    return at + 1;
  }
  buffer[at++] = first | mask;
  let rest = value - mask;
  while (rest >= 128) {
    buffer[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  buffer[at++] = rest;
  return at;
}
