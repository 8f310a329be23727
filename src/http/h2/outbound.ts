import type { HeaderMap } from "../header-map.ts";
import type { InboundBudgets } from "./budgets.ts";
import type { Level } from "./codec-stats.ts";
import { fieldWriter } from "./field-writer.ts";
import { DEFAULT_WINDOW } from "./flow-control.ts";
import { writeData } from "./frame/data.ts";
import { FRAME_HEADER, MAX_FRAME_SIZE } from "./frame/frame-type.ts";
import type { FrameWriter } from "./frame/frame-writer.ts";
import { endHeaders } from "./frame/headers.ts";
import type { H2Stream } from "./h2-stream.ts";
import type { HpackEncoder } from "./hpack/encoder.ts";

/** What outbound tells. */
export interface OutboundOwner {
  /** END_STREAM has been written. */
  localEnded(stream: H2Stream): void;
  /** The end of a message has to wait. */
  stalled(stream: H2Stream): void;
}

const EMPTY: Buffer = Buffer.alloc(0);

/** The sending half of flow control: DATA goes out as far as both windows allow, the rest waits in its stream. */
export class Outbound {
  /** What may still be sent on the connection. */
  window = DEFAULT_WINDOW;
  readonly #owner: OutboundOwner;
  readonly #writer: FrameWriter;
  readonly #encoder: HpackEncoder;
  readonly #budgets: InboundBudgets;
  readonly #pendingBytes: Level;
  /** Streams with something that waits, in the order of their turns. */
  #waiting: Set<H2Stream> | null = null;

  constructor(
    owner: OutboundOwner,
    writer: FrameWriter,
    encoder: HpackEncoder,
    budgets: InboundBudgets,
    pendingBytes: Level,
  ) {
    this.#owner = owner;
    this.#writer = writer;
    this.#encoder = encoder;
    this.#budgets = budgets;
    this.#pendingBytes = pendingBytes;
  }

  /** Returns false when the caller should wait for `onDrain`. */
  data(stream: H2Stream, chunk: Buffer, end: boolean): boolean {
    const length = chunk.length;
    let at = 0;
    if (stream.outbound === null) {
      at = this.#send(stream, chunk, 0, end);
      if (at === length) {
        if (length === 0 && end) this.#frame(stream, EMPTY, 0, 0, true);
        if (end) this.#owner.localEnded(stream);
        if (this.#writer.blocked) stream.wantsDrain = true;
        return !this.#writer.blocked;
      }
      (this.#waiting ??= new Set()).add(stream);
    }
    stream.hold(chunk, at, length, end);
    this.#pendingBytes.add(length - at);
    if (end) this.#owner.stalled(stream);
    stream.wantsDrain = true;
    return false;
  }

  trailers(stream: H2Stream, trailers: HeaderMap): void {
    const queue = stream.outbound;
    if (queue === null) {
      this.#writeTrailers(stream, trailers);
      return;
    }
    queue.trailers = trailers.clone();
    queue.end = true;
    this.#owner.stalled(stream);
  }

  /** Forgets a stream. */
  remove(stream: H2Stream): void {
    if (stream.outbound === null) return;
    this.#waiting?.delete(stream);
    this.#pendingBytes.add(-stream.outbound.bytes);
  }

  /** A window has grown or the sink has room: streams take turns, a frame each. */
  pump(): void {
    const waiting = this.#waiting;
    if (waiting === null || waiting.size === 0) return;
    let progress = true;
    while (progress && this.window > 0 && !this.#writer.blocked) {
      progress = false;
      for (const stream of waiting) {
        if (stream.sendWindow <= 0) continue;
        this.pumpStream(stream, MAX_FRAME_SIZE);
        progress = true;
        if (this.window <= 0 || this.#writer.blocked) return;
      }
    }
  }

  /** Sends up to `most` bytes of what a stream holds back. */
  pumpStream(stream: H2Stream, most: number): void {
    const queue = stream.outbound;
    let left = most;
    while (queue !== null && left > 0 && !this.#writer.blocked && !stream.over) {
      const chunk = queue.chunks[queue.head]!;
      const allowed = Math.min(stream.sendWindow, this.window, left, MAX_FRAME_SIZE);
      if (allowed <= 0) return;
      const length = Math.min(chunk.length, allowed);
      queue.shift();
      if (length < chunk.length) {
        queue.chunks[--queue.head] = chunk.subarray(length);
        queue.bytes += chunk.length - length;
      }
      const last = queue.empty && queue.end && queue.trailers === null;
      this.#frame(stream, chunk, 0, length, last);
      left -= length;
      this.#pendingBytes.add(-length);
      if (!queue.empty) continue;
      stream.outbound = null;
      this.#waiting!.delete(stream);
      if (queue.trailers !== null) {
        this.#writeTrailers(stream, queue.trailers);
        queue.trailers.release();
      } else if (last) this.#owner.localEnded(stream);
      else this.tellDrain(stream);
      return;
    }
  }

  /** Calls `onDrain` if the stream waits for it and can go on. */
  tellDrain(stream: H2Stream): void {
    if (!stream.wantsDrain || stream.outbound !== null || stream.over || this.#writer.blocked) return;
    stream.wantsDrain = false;
    stream.handler.onDrain();
  }

  /** Writes what the windows allow; returns how much of the chunk that was. */
  #send(stream: H2Stream, chunk: Buffer, start: number, end: boolean): number {
    const length = chunk.length;
    let at = start;
    while (at < length) {
      const allowed = Math.min(stream.sendWindow, this.window, MAX_FRAME_SIZE);
      if (allowed <= 0) return at;
      const next = Math.min(length, at + allowed);
      this.#frame(stream, chunk, at, next, end && next === length);
      at = next;
    }
    return at;
  }

  #frame(stream: H2Stream, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const length = end - start;
    stream.sendWindow -= length;
    this.window -= length;
    stream.wireBytesSent += length + FRAME_HEADER;
    this.#budgets.dataFramesSent++;
    writeData(this.#writer, stream.id, bytes, start, end, endStream);
  }

  #writeTrailers(stream: H2Stream, trailers: HeaderMap): void {
    fieldWriter.trailers(this.#encoder, this.#writer, trailers);
    stream.wireBytesSent += endHeaders(this.#writer, stream.id, true);
    this.#owner.localEnded(stream);
  }
}
