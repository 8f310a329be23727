/** Where the fields of a message are that a client must know. */
export interface DiscoveryFields {
  readonly typeUrl: number;
  readonly version: number;
  readonly nonce: number;
}

/** DiscoveryResponse and DeltaDiscoveryResponse have them in the same places. */
const FIELDS: DiscoveryFields = { version: 1, typeUrl: 4, nonce: 5 };
const RESOURCES = 2;
const PREFIX = 5;
/** Longest value that is kept. */
const SHORT = 512;

/**
 * Reads discovery responses off a gRPC stream without keeping them: resources are counted and passed over, so that a
 * thousand clients of large responses fit into one process.
 */
export class DiscoveryScanner {
  typeUrl = "";
  version = "";
  nonce = "";
  resources = 0;
  readonly #onMessage: () => void;
  /** Bytes of a prefix, tag or short value that are not all here. */
  #held: Buffer = EMPTY;
  /** Bytes of the message that are still to come; -1 between messages. */
  #left = -1;
  #skip = 0;

  constructor(onMessage: () => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = EMPTY;
    let at = 0;
    for (;;) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, bytes.length - at);
        at += step;
        this.#skip -= step;
        this.#left -= step;
        if (this.#skip > 0) return;
      }
      if (this.#left === 0) {
        this.#left = -1;
        this.#onMessage();
        this.typeUrl = this.version = this.nonce = "";
        this.resources = 0;
      }
      const used = this.#left < 0 ? this.#prefix(bytes, at) : this.#field(bytes, at);
      if (used < 0) break;
      at += used;
    }
    if (at < bytes.length) this.#held = Buffer.from(bytes.subarray(at));
  }

  /** Returns the bytes used; -1 when there are too few. */
  #prefix(bytes: Buffer, at: number): number {
    if (bytes.length - at < PREFIX) return -1;
    this.#left = bytes.readUInt32BE(at + 1);
    return PREFIX;
  }

  #field(bytes: Buffer, start: number): number {
    if (bytes.length - start < Math.min(this.#left, 11)) return -1;
    const field = bytes[start]! >> 3;
    let at = start + 1;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (field === RESOURCES) this.resources++;
    if (field === RESOURCES || length > SHORT) this.#skip = length;
    else {
      if (bytes.length - at < length) return -1;
      const value = bytes.toString("latin1", at, at + length);
      if (field === FIELDS.typeUrl) this.typeUrl = value;
      else if (field === FIELDS.version) this.version = value;
      else if (field === FIELDS.nonce) this.nonce = value;
      at += length;
    }
    this.#left -= at - start;
    return at - start;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
