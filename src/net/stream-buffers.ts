/**
 * Size of one read of a long body. Four times a common read: per MiB, the calls cost less than what falls out of the
 * processor's cache costs more, and 512 KiB is slower again.
 */
export const STREAM_BUFFER_SIZE = 262_144;

/** Buffers that are kept for the next long body; more would only be memory. */
const MOST_FREE = 16;

/** Who still writes bytes of a read buffer when the turn that read them is over. */
export interface BufferHolder {
  /** Gives `buffer` back to the thread's StreamBuffers when everything is written. */
  keep(buffer: Buffer): void;
}

/** What long bodies of one thread are read into. The buffer that was given back last is used first: it is still cached. */
export class StreamBuffers {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(STREAM_BUFFER_SIZE);
  }

  give(buffer: Buffer): void {
    if (this.#free.length < MOST_FREE) this.#free.push(buffer);
  }
}
