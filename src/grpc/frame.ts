// gRPC's length-prefixed messages: one byte of flags, four bytes of length, the message.
import { GRPC_STATUS } from "./status.ts";

/** Largest message that is accepted by default, as in Envoy's xDS client: there is none there; ours is generous. */
const DEFAULT_MAX_MESSAGE = 256 * 1024 * 1024;

/** Bytes before each message. */
export const FRAME_PREFIX = 5;

/** One message with its prefix; never compressed. */
export function encodeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_PREFIX + message.length);
  writeFramePrefix(frame, message.length);
  frame.set(message, FRAME_PREFIX);
  return frame;
}

/** Writes the prefix of an uncompressed message of `length` bytes at the beginning of `frame`. */
export function writeFramePrefix(frame: Buffer, length: number): void {
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
}

/** A stream that is not gRPC, or a message that is too long. */
export class FrameError extends Error {
  /** gRPC status that a server answers with. */
  readonly code: number;

  constructor(message: string, code: number = GRPC_STATUS.internal) {
    super(message);
    this.code = code;
  }
}

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

  /**
   * Takes bytes, returns the messages that became complete. The bytes are lent, and so are the messages: what is not
   * complete is copied. Throws a FrameError.
   */
  push(chunk: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    let rest = chunk;
    if (this.#size > 0) {
      this.#keep(chunk);
      if (this.#size < FRAME_PREFIX || this.#size < FRAME_PREFIX + this.#nextLength()) return messages;
      rest = this.#joined();
      this.#chunks = [];
      this.#size = 0;
    }
    while (rest.length >= FRAME_PREFIX) {
      const end = FRAME_PREFIX + this.#lengthAt(rest);
      if (rest.length < end) break;
      messages.push(rest.subarray(FRAME_PREFIX, end));
      rest = rest.subarray(end);
    }
    if (rest.length > 0) this.#keep(rest);
    return messages;
  }

  #keep(chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk));
    this.#size += chunk.length;
  }

  #joined(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
  }

  #nextLength(): number {
    if (this.#chunks[0]!.length < FRAME_PREFIX) this.#chunks = [this.#joined()];
    return this.#lengthAt(this.#chunks[0]!);
  }

  #lengthAt(bytes: Buffer): number {
    if (bytes[0] !== 0) {
      throw new FrameError(
        bytes[0] === 1 ? "compressed message without an agreed encoding" : "bad frame flags",
      );
    }
    const length = bytes.readUInt32BE(1);
    if (length > this.#maxMessage) {
      throw new FrameError(
        `message of ${length} bytes is larger than the limit of ${this.#maxMessage}`,
        GRPC_STATUS.resourceExhausted,
      );
    }
    return length;
  }
}
