// gRPC's length-prefixed messages: one byte of flags, four bytes of length, the message.

/** Largest message that is accepted by default, as in Envoy's xDS client: there is none there; ours is generous. */
export const DEFAULT_MAX_MESSAGE = 256 * 1024 * 1024;

/** One message with its prefix; never compressed. */
export function encodeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** A stream that is not gRPC, or a message that is too long. */
export class FrameError extends Error {}

/** Cuts a byte stream into messages. */
export class FrameDecoder {
  readonly #maxMessage: number;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(maxMessage: number = DEFAULT_MAX_MESSAGE) {
    this.#maxMessage = maxMessage;
  }

  /** Bytes of a message that is not complete yet. */
  get pending(): number {
    return this.#size;
  }

  /** Takes bytes, returns the messages that became complete. Throws a FrameError. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const messages: Buffer[] = [];
    while (this.#size >= 5) {
      const head = this.#head();
      if (head[0]! !== 0) {
        throw new FrameError(
          head[0] === 1 ? "compressed message without an agreed encoding" : "bad frame flags",
        );
      }
      const length = head.readUInt32BE(1);
      if (length > this.#maxMessage) {
        throw new FrameError(`message of ${length} bytes is larger than the limit of ${this.#maxMessage}`);
      }
      if (this.#size < 5 + length) break;
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      messages.push(all.subarray(5, 5 + length));
      const rest = all.subarray(5 + length);
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#size = rest.length;
    }
    return messages;
  }

  #head(): Buffer {
    if (this.#chunks[0]!.length >= 5) return this.#chunks[0]!;
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }
}
