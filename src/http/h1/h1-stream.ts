import { latin1 } from "../../base/latin1.ts";
import type { HeaderMap } from "../header-map.ts";
import type { ByteSink, CodecStream, ResetReason, StreamHandler } from "../stream.ts";
import type { BodyOwner } from "./body-reader.ts";

const LAST_CHUNK = "0\r\n\r\n";
/** A chunk up to this length is written as one text. */
const TEXT_CHUNK_LIMIT = 1024;

/** How a message body is delimited when it is written. */
export const FIXED = 0;
export const CHUNKED = 1;
/** No bytes are written, whatever comes: answers to HEAD, 204, 304. */
export const SILENT = 2;

/** What a stream asks of its codec. */
export interface H1StreamOwner {
  streamResumed(): void;
}

/** One request and its response on a connection: what both sides have in common. */
export abstract class H1Stream implements CodecStream, BodyOwner {
  handler!: StreamHandler;
  peerWantsClose = false;
  protocol: "HTTP/1.0" | "HTTP/1.1" = "HTTP/1.1";
  isHead = false;
  isConnect = false;
  /** The request asks for another protocol. */
  isUpgrade = false;
  wireBytesReceived = 0;
  wireBytesSent = 0;
  paused = false;
  /** The stream is over: its calls do nothing. */
  ended = false;
  #framing = FIXED;
  readonly #owner: H1StreamOwner;
  readonly #sink: ByteSink;

  constructor(owner: H1StreamOwner, sink: ByteSink) {
    this.#owner = owner;
    this.#sink = sink;
  }

  abstract interim(status: number, headers: HeaderMap | undefined): void;
  abstract headers(headers: HeaderMap, end: boolean): void;
  abstract data(chunk: Buffer, end: boolean): boolean;
  abstract trailers(trailers: HeaderMap): void;
  abstract reset(reason: ResetReason): void;

  pause(): void {
    if (this.paused || this.ended) return;
    this.paused = true;
    this.#sink.pauseReading();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#sink.resumeReading();
    if (!this.ended) this.#owner.streamResumed();
  }

  /** Makes all further calls do nothing and gives back what the stream holds. */
  end(): void {
    this.ended = true;
    if (!this.paused) return;
    this.paused = false;
    this.#sink.resumeReading();
  }

  protected writeText(text: string): void {
    this.wireBytesSent += text.length;
    this.#sink.writeText(text);
  }

  /** Writes a head; what follows it is delimited by `framing`. */
  protected writeHead(text: string, framing: number): void {
    this.#framing = framing;
    this.writeText(text);
  }

  /** Returns false above the high watermark. */
  protected writeData(chunk: Buffer, end: boolean): boolean {
    const length = chunk.length;
    if (this.#framing === SILENT) return true;
    if (this.#framing === FIXED) {
      if (length === 0) return true;
      this.wireBytesSent += length;
      return this.#sink.writeBytes(chunk);
    }
    if (length === 0) {
      if (end) this.writeText(LAST_CHUNK);
      return true;
    }
    const tail = end ? "\r\n" + LAST_CHUNK : "\r\n";
    const size = length.toString(16) + "\r\n";
    if (length <= TEXT_CHUNK_LIMIT && end) {
      this.writeText(size + latin1(chunk, 0, length) + tail);
      return true;
    }
    this.writeText(size);
    this.wireBytesSent += length;
    const open = this.#sink.writeBytes(chunk);
    this.writeText(tail);
    return open;
  }

  protected writeTrailers(trailers: HeaderMap, enabled: boolean): void {
    if (this.#framing !== CHUNKED) return;
    this.writeText(enabled ? "0\r\n" + trailers.toLines() + "\r\n" : LAST_CHUNK);
  }
}
