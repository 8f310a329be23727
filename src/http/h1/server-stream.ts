import { recase, type HeaderCase } from "../header-case.ts";
import type { HeaderMap } from "../header-map.ts";
import type { ByteSink, CodecStream, ResetReason, StreamHandler } from "../stream.ts";
import type { BodyOwner } from "./body-reader.ts";
import { hasToken } from "./has-token.ts";
import { CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING } from "./ids.ts";
import { CHUNKED, FIXED, MessageWriter, SILENT } from "./message-writer.ts";
import { statusLine } from "./reason-phrase.ts";

/** What a stream asks of its codec. */
export interface ServerStreamOwner {
  readonly enableTrailers: boolean;
  /** The form of header names; undefined = lower case. */
  readonly headerCase: HeaderCase | undefined;
  /** Whether the connection closes after this response, as far as the codec knows. */
  closesAfter(stream: H1ServerStream): boolean;
  responseDone(stream: H1ServerStream): void;
  streamReset(stream: H1ServerStream): void;
  streamResumed(): void;
}

/** One request and its response on a server connection. */
export class H1ServerStream implements CodecStream, BodyOwner {
  handler!: StreamHandler;
  peerWantsClose = false;
  /** The client asked by "connection: keep-alive". */
  peerWantsKeepAlive = false;
  protocol: "HTTP/1.0" | "HTTP/1.1" = "HTTP/1.1";
  isHead = false;
  isConnect = false;
  /** The request asks for another protocol. */
  isUpgrade = false;
  wireBytesReceived = 0;
  paused = false;
  /** The stream is over: its calls do nothing. */
  ended = false;
  headersSent = false;
  /** The connection closes when the response is out. */
  closeAfter = false;
  readonly #owner: ServerStreamOwner;
  readonly #sink: ByteSink;
  readonly #writer: MessageWriter;

  constructor(owner: ServerStreamOwner, sink: ByteSink) {
    this.#owner = owner;
    this.#sink = sink;
    this.#writer = new MessageWriter(sink);
  }

  get wireBytesSent(): number {
    return this.#writer.bytesWritten;
  }

  interim(status: number, headers: HeaderMap | undefined): void {
    if (this.ended || this.headersSent) return;
    this.#writer.text(statusLine(status, this.protocol === "HTTP/1.0") + (headers?.toLines() ?? "") + "\r\n");
  }

  headers(headers: HeaderMap, end: boolean): void {
    if (this.ended || this.headersSent) return;
    this.headersSent = true;
    const status = headers.status;
    const http10 = this.protocol === "HTTP/1.0";
    if (!end && (this.isUpgrade ? status === 101 : this.isConnect && status >= 200 && status < 300)) {
      // A tunnel: what follows are the other protocol's bytes, to the end of the connection.
      this.closeAfter = true;
      this.#writer.head(statusLine(status, http10) + this.#written(headers, "") + "\r\n", FIXED, false);
      return;
    }
    const bodiless = status < 200 || status === 204;
    if (headers.hasId(TRANSFER_ENCODING)) headers.removeId(TRANSFER_ENCODING);
    if (bodiless && headers.hasId(CONTENT_LENGTH)) headers.removeId(CONTENT_LENGTH);
    const hasLength = headers.hasId(CONTENT_LENGTH);
    let extra = this.#connectionLine(headers, http10, hasLength);
    let framing = this.isHead || bodiless || status === 304 ? SILENT : FIXED;
    if (!hasLength && !bodiless) {
      if (end && !this.isHead) {
        if (status !== 304) extra += "content-length: 0\r\n";
      } else if (http10) {
        this.closeAfter = true;
      } else if (status !== 304) {
        // Envoy writes this for HEAD too, where no body follows.
        extra += "transfer-encoding: chunked\r\n";
        if (framing === FIXED) framing = CHUNKED;
      }
    }
    this.#writer.head(statusLine(status, http10) + this.#written(headers, extra) + "\r\n", framing, false);
    if (end) this.#finish();
  }

  data(chunk: Buffer, end: boolean): boolean {
    if (this.ended) return true;
    const open = this.#writer.data(chunk, end);
    if (end) this.#finish();
    return open;
  }

  trailers(trailers: HeaderMap): void {
    if (this.ended) return;
    this.#writer.trailers(trailers, this.#owner.enableTrailers);
    this.#finish();
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

  /** All header lines in the form in which they are written. */
  #written(headers: HeaderMap, extra: string): string {
    const headerCase = headers.headerCase ?? this.#owner.headerCase;
    const lines = headers.toLines() + extra;
    return headerCase === undefined ? lines : recase(lines, headerCase);
  }

  #finish(): void {
    this.end();
    this.#owner.responseDone(this);
  }

  /** What the map says of the connection wins; where it says nothing the codec speaks for itself. */
  #connectionLine(headers: HeaderMap, http10: boolean, hasLength: boolean): string {
    const said = headers.getId(CONNECTION);
    if (said !== undefined) {
      if (hasToken(said, "close") || this.#owner.closesAfter(this)) this.closeAfter = true;
      return "";
    }
    if (this.#owner.closesAfter(this) || (http10 && !hasLength)) {
      this.closeAfter = true;
      return "connection: close\r\n";
    }
    return http10 ? "connection: keep-alive\r\n" : "";
  }
}
