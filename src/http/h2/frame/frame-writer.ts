import { COPIED_WRITE, type ByteSink, type TurnWriter } from "../../stream.ts";
import { FRAME_HEADER } from "./frame-type.ts";

const SIZE = 32_768;
/** What is left of a buffer is used on if it is at least this. */
const USEFUL = 8192;
/** Payloads up to this are copied next to their frame header; longer ones are passed on as they are. */
const COPIED_PAYLOAD = 2048;
/** Copied byte by byte up to this: cheaper than a call. */
const TINY = 64;

const EMPTY: Buffer = Buffer.alloc(0);
/** Buffers that no connection writes into now, and where the free part of each begins. */
const spareBuffers: Buffer[] = [];
const spareOffsets: number[] = [];
const SPARE_LIMIT = 16;

/**
 * Collects a connection's frames in one buffer per turn. The buffer comes from a pool of the thread and goes back when its
 * bytes have been passed on, so that an idle connection holds none.
 */
export class FrameWriter implements TurnWriter {
  /** Write at `at`, after `room`. */
  buffer: Buffer = EMPTY;
  at = 0;
  /** The sink is above its high watermark. */
  blocked = false;
  /** Frames written since the sink went above its high watermark. */
  blockedFrames = 0;
  /** PING, SETTINGS and RST_STREAM frames that the sink has not had, or could not write. */
  controlFrames = 0;
  readonly #sink: ByteSink;
  #start = 0;
  /** Where an unfinished frame begins; -1 when there is none. */
  #open = -1;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  get hasBytes(): boolean {
    return this.at > this.#start;
  }

  /** Makes room for `bytes` more at `at`. */
  room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const open = this.#open;
    if (open < 0) {
      this.flush();
      this.#take(bytes);
      return;
    }
    const from = this.buffer;
    const length = this.at - open;
    this.at = open;
    this.#open = -1;
    this.flush();
    // Grows by doubling, or a frame that grows byte by byte would be copied as often.
    this.#take(Math.max(length * 2, length + bytes));
    this.#open = this.at;
    // `from` may be where the new room is.
    this.buffer.set(from.subarray(open, open + length), this.at);
    this.at += length;
  }

  /** Begins a frame whose length is not known yet. Returns false never; `endFrame` follows. */
  beginFrame(): void {
    this.room(FRAME_HEADER + 64);
    this.#open = this.at;
    this.at += FRAME_HEADER;
  }

  /** Offset of the unfinished frame. */
  get openFrame(): number {
    return this.#open;
  }

  endFrame(): void {
    this.#open = -1;
  }

  /** Writes a frame header at `at`; its payload follows. `room` was made for both. */
  header(length: number, type: number, flags: number, streamId: number): void {
    writeFrameHeader(this.buffer, this.at, length, type, flags, streamId);
    this.at += FRAME_HEADER;
    if (this.blocked) this.blockedFrames++;
  }

  uint32(value: number): void {
    const { buffer, at } = this;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
    this.at = at + 4;
  }

  /** Writes the bytes of a payload, long ones without a copy. */
  payload(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length > COPIED_PAYLOAD) {
      this.flush();
      this.#write(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
      return;
    }
    this.room(length);
    const { buffer, at } = this;
    if (length <= TINY) for (let i = 0; i < length; i++) buffer[at + i] = bytes[start + i]!;
    else bytes.copy(buffer, at, start, end);
    this.at = at + length;
  }

  /** Passes what is written to the sink and gives the buffer back. */
  flush(): void {
    const buffer = this.buffer;
    if (buffer === EMPTY) return;
    const start = this.#start;
    const at = this.at;
    this.buffer = EMPTY;
    this.at = this.#start = 0;
    if (at > start) this.#write(buffer.subarray(start, at));
    if (!this.blocked) this.controlFrames = 0;
    const free = at - start > COPIED_WRITE ? at : start;
    if (buffer.length !== SIZE || SIZE - free < USEFUL || spareBuffers.length === SPARE_LIMIT) return;
    spareBuffers.push(buffer);
    spareOffsets.push(free);
  }

  /** The sink is below its low watermark again. */
  drained(): void {
    this.blocked = false;
    this.blockedFrames = this.controlFrames = 0;
  }

  #write(bytes: Buffer): void {
    if (this.#sink.writeBytes(bytes)) return;
    this.blocked = true;
  }

  #take(bytes: number): void {
    const spare = spareOffsets.length - 1;
    if (spare >= 0 && SIZE - spareOffsets[spare]! >= bytes) {
      this.buffer = spareBuffers.pop()!;
      this.at = this.#start = spareOffsets.pop()!;
    } else {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(SIZE, bytes));
      this.at = this.#start = 0;
    }
    this.#sink.beforeWrite?.(this);
  }
}

export function writeFrameHeader(
  buffer: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  buffer[at] = length >>> 16;
  buffer[at + 1] = length >>> 8;
  buffer[at + 2] = length;
  buffer[at + 3] = type;
  buffer[at + 4] = flags;
  buffer[at + 5] = streamId >>> 24;
  buffer[at + 6] = streamId >>> 16;
  buffer[at + 7] = streamId >>> 8;
  buffer[at + 8] = streamId;
}
