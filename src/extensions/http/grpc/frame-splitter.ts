const PREFIX = 5;

/** Cuts a stream of gRPC messages into messages with their prefixes, whatever their flags. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that became complete. */
  push(chunk: Buffer): Buffer[] {
    let bytes = Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    while (bytes.length >= PREFIX) {
      const end = PREFIX + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      frames.push(bytes.subarray(0, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    return frames;
  }
}
