import { recase } from "../header-case.ts";
import type { HeaderMap } from "../header-map.ts";
import type { ByteSink, CodecStream, ResetReason, StreamHandler } from "../stream.ts";
import type { BodyOwner } from "./body-reader.ts";
import { hasToken } from "./has-token.ts";
import { CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE } from "./ids.ts";
import { CHUNKED, FIXED, MessageWriter } from "./message-writer.ts";
import { announcesEmptyBody } from "./methods.ts";
import type { H1ClientOptions } from "./options.ts";

/** What a stream asks of its codec. */
export interface ClientStreamOwner {
  readonly options: H1ClientOptions;
  streamReset(stream: H1ClientStream): void;
  streamResumed(): void;
}

/** One request and its response on a client connection. */
export class H1ClientStream implements CodecStream, BodyOwner {
  handler: StreamHandler;
  peerWantsClose = false;
  protocol: "HTTP/1.0" | "HTTP/1.1" = "HTTP/1.1";
  isHead = false;
  isConnect = false;
  isUpgrade = false;
  wireBytesReceived = 0;
  paused = false;
  /** The stream is over: its calls do nothing. */
  ended = false;
  /** All of the request has been written. */
  requestDone = false;
  readonly #owner: ClientStreamOwner;
  readonly #sink: ByteSink;
  readonly #writer: MessageWriter;

  constructor(owner: ClientStreamOwner, sink: ByteSink, handler: StreamHandler) {
    this.#owner = owner;
    this.#sink = sink;
    this.handler = handler;
    this.#writer = new MessageWriter(sink);
  }

  get wireBytesSent(): number {
    return this.#writer.bytesWritten;
  }

  /** A request has no interim part. */
  interim(_status: number, _headers: HeaderMap | undefined): void {}

  headers(headers: HeaderMap, end: boolean): void {
    if (this.ended) return;
    const method = headers.method;
    this.isHead = method === "HEAD";
    this.isConnect = method === "CONNECT";
    this.isUpgrade = headers.hasId(UPGRADE) && hasToken(headers.getId(CONNECTION) ?? "", "upgrade");
    if (headers.hasId(TRANSFER_ENCODING)) headers.removeId(TRANSFER_ENCODING);
    let framing = FIXED;
    let extra = "\r\n";
    if (!headers.hasId(CONTENT_LENGTH) && !this.isConnect && !this.isUpgrade) {
      if (!end) {
        framing = CHUNKED;
        extra = "transfer-encoding: chunked\r\n\r\n";
      } else if (announcesEmptyBody(method)) extra = "content-length: 0\r\n\r\n";
    }
    const authority = headers.authority;
    let target = this.isConnect ? authority : headers.path;
    if (this.#owner.options.sendFullyQualifiedUrl && !this.isConnect)
      target = `${headers.scheme || "http"}://${authority}${target}`;
    const headerCase = headers.headerCase ?? this.#owner.options.headerCase;
    const start = method + " " + target + " HTTP/1.1\r\n";
    const lines = "host: " + authority + "\r\n" + headers.toLines() + extra;
    this.#writer.head(start + (headerCase === undefined ? lines : recase(lines, headerCase)), framing, false);
    if (end) this.requestDone = true;
  }

  data(chunk: Buffer, end: boolean): boolean {
    if (this.ended || this.requestDone) return true;
    if (end) this.requestDone = true;
    return this.#writer.data(chunk, end);
  }

  trailers(trailers: HeaderMap): void {
    if (this.ended || this.requestDone) return;
    this.requestDone = true;
    this.#writer.trailers(trailers, this.#owner.options.enableTrailers);
  }

  reset(_reason: ResetReason): void {
    if (this.ended) return;
    this.end();
    this.#owner.streamReset(this);
  }

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
    if (this.paused) {
      this.paused = false;
      this.#sink.resumeReading();
    }
  }
}
