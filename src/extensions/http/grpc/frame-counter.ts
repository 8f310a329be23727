const PREFIX = 5;

/** Counts the messages of a gRPC stream without keeping them. */
export class FrameCounter {
  /** Bytes of the prefix at hand that have come, and the length it says so far. */
  #prefix = 0;
  #length = 0;
  /** Bytes of the message at hand that are still to come. */
  #left = 0;

  /** How many messages begin in these bytes. */
  push(chunk: Buffer): number {
    let count = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      // The first byte is flags.
      this.#length = this.#prefix === 0 ? 0 : this.#length * 256 + chunk[at]!;
      at++;
      if (++this.#prefix < PREFIX) continue;
      this.#prefix = 0;
      this.#left = this.#length;
      count++;
    }
    return count;
  }
}
