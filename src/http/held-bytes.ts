const FIRST_SIZE = 512;
const EMPTY: Buffer = Buffer.alloc(0);

/**
 * Received bytes that could not be used yet: the beginning of a head or frame, or what came while a stream was paused. Bytes that
 * were lent from here are never overwritten: a connection may still be writing them.
 */
export class HeldBytes {
  bytes: Buffer = EMPTY;
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  append(bytes: Buffer, start: number, end: number): void {
    const added = end - start;
    if (this.end + added > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_SIZE, (this.length + added) * 2));
      this.bytes.copy(larger, 0, this.start, this.end);
      this.end = this.length;
      this.start = 0;
      this.bytes = larger;
    }
    bytes.copy(this.bytes, this.end, start, end);
    this.end += added;
  }

  clear(): void {
    this.bytes = EMPTY;
    this.start = this.end = 0;
  }
}
