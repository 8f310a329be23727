import { FRAME_NAMES, PREFACE, type FrameName } from "./h2-frames.ts";
import { HpackReader, type Field } from "./hpack-reader.ts";

/** A frame as it came. HEADERS and the CONTINUATIONs after it are one, of type HEADERS. */
export interface ReceivedFrame {
  readonly type: FrameName | number;
  readonly flags: number;
  readonly id: number;
  /** Without padding and priority. */
  readonly payload: Buffer;
  /** Lengths of the frames that it came in. */
  readonly lengths: readonly number[];
  /** Of HEADERS; undefined when the block is broken. */
  readonly fields: readonly Field[] | undefined;
}

interface OpenBlock {
  flags: number;
  id: number;
  block: Buffer;
  lengths: number[];
}

/** Splits what a peer sent into frames and decodes field blocks. */
export class H2Reader {
  readonly #hpack = new HpackReader();
  #rest: Buffer = Buffer.alloc(0);
  #prefaceSeen = false;
  #open: OpenBlock | undefined;

  /** The frames that are complete by now. */
  feed(bytes: Buffer): ReceivedFrame[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    if (!this.#prefaceSeen && PREFACE.subarray(0, 3).equals(this.#rest.subarray(0, 3))) {
      if (this.#rest.length < PREFACE.length) return [];
      this.#rest = this.#rest.subarray(PREFACE.length);
    }
    const frames: ReceivedFrame[] = [];
    while (this.#rest.length >= 9) {
      this.#prefaceSeen = true;
      const end = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      const frame = this.#frame(this.#rest.subarray(0, 9), this.#rest.subarray(9, end));
      if (frame !== undefined) frames.push(frame);
      this.#rest = this.#rest.subarray(end);
    }
    return frames;
  }

  #frame(head: Buffer, whole: Buffer): ReceivedFrame | undefined {
    const type = FRAME_NAMES[head[3]!] ?? head[3]!;
    const flags = head[4]!;
    const id = head.readUInt32BE(5) & 0x7fff_ffff;
    if (type === "CONTINUATION" && this.#open !== undefined) {
      const open = this.#open;
      open.block = Buffer.concat([open.block, whole]);
      open.lengths.push(whole.length);
      return (flags & 4) === 0 ? undefined : this.#headers(open);
    }
    let payload = whole;
    if ((type === "DATA" || type === "HEADERS") && (flags & 8) !== 0)
      payload = payload.subarray(1, payload.length - payload[0]!);
    if (type !== "HEADERS") return { type, flags, id, payload, lengths: [whole.length], fields: undefined };
    if ((flags & 0x20) !== 0) payload = payload.subarray(5);
    const open = { flags, id, block: payload, lengths: [whole.length] };
    if ((flags & 4) !== 0) return this.#headers(open);
    this.#open = open;
    return undefined;
  }

  #headers({ flags, id, block, lengths }: OpenBlock): ReceivedFrame {
    this.#open = undefined;
    let fields: Field[] | undefined;
    try {
      fields = this.#hpack.read(block);
    } catch {
      fields = undefined;
    }
    return { type: "HEADERS", flags: flags | 4, id, payload: block, lengths, fields };
  }
}
