import { recase, type HeaderCase } from "../header-case.ts";
import type { HeaderMap } from "../header-map.ts";
import type { ByteSink, ResetReason } from "../stream.ts";
import { CHUNKED, FIXED, H1Stream, SILENT, type H1StreamOwner } from "./h1-stream.ts";
import { hasToken } from "./has-token.ts";
import { CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING } from "./ids.ts";
import { statusLine } from "./reason-phrase.ts";

/** What a stream asks of its codec. */
export interface ServerStreamOwner extends H1StreamOwner {
  readonly enableTrailers: boolean;
  /** The form of header names; undefined = lower case. */
  readonly headerCase: HeaderCase | undefined;
  /** Whether the connection closes after this response, as far as the codec knows. */
  closesAfter(stream: H1ServerStream): boolean;
  responseDone(stream: H1ServerStream): void;
  streamReset(stream: H1ServerStream): void;
}

/** One request and its response on a server connection. */
export class H1ServerStream extends H1Stream {
  headersSent = false;
  /** The connection closes when the response is out. */
  closeAfter = false;
  readonly #owner: ServerStreamOwner;

  constructor(owner: ServerStreamOwner, sink: ByteSink) {
    super(owner, sink);
    this.#owner = owner;
  }

  interim(status: number, headers: HeaderMap | undefined): void {
    if (this.ended || this.headersSent) return;
    this.writeText(statusLine(status, this.protocol === "HTTP/1.0") + (headers?.toLines() ?? "") + "\r\n");
  }

  headers(headers: HeaderMap, end: boolean): void {
    if (this.ended || this.headersSent) return;
    this.headersSent = true;
    const status = headers.status;
    const http10 = this.protocol === "HTTP/1.0";
    if (!end && (this.isUpgrade ? status === 101 : this.isConnect && status >= 200 && status < 300)) {
      // A tunnel: what follows are the other protocol's bytes, to the end of the connection.
      this.closeAfter = true;
      this.writeHead(statusLine(status, http10) + this.#written(headers, "\r\n"), FIXED);
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
    this.writeHead(statusLine(status, http10) + this.#written(headers, extra + "\r\n"), framing);
    if (end) this.#finish();
  }

  data(chunk: Buffer, end: boolean): boolean {
    if (this.ended) return true;
    const open = this.writeData(chunk, end);
    if (end) this.#finish();
    return open;
  }

  trailers(trailers: HeaderMap): void {
    if (this.ended) return;
    this.writeTrailers(trailers, this.#owner.enableTrailers);
    this.#finish();
  }

  reset(_reason: ResetReason): void {
    if (this.ended) return;
    this.end();
    this.#owner.streamReset(this);
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
