import { recase } from "../header-case.ts";
import type { HeaderMap } from "../header-map.ts";
import type { ByteSink, ResetReason, StreamHandler } from "../stream.ts";
import { CHUNKED, FIXED, H1Stream, type H1StreamOwner } from "./h1-stream.ts";
import { hasToken } from "./has-token.ts";
import { CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE } from "./ids.ts";
import { announcesEmptyBody } from "./methods.ts";
import type { H1ClientOptions } from "./options.ts";

/** What a stream asks of its codec. */
export interface ClientStreamOwner extends H1StreamOwner {
  readonly options: H1ClientOptions;
  streamReset(stream: H1ClientStream): void;
}

/** One request and its response on a client connection. */
export class H1ClientStream extends H1Stream {
  /** All of the request has been written. */
  requestDone = false;
  readonly #owner: ClientStreamOwner;

  constructor(owner: ClientStreamOwner, sink: ByteSink, handler: StreamHandler) {
    super(owner, sink);
    this.handler = handler;
    this.#owner = owner;
  }

  /** A request has no interim part. */
  interim(_status: number, _headers: HeaderMap | undefined): void {}

  headers(headers: HeaderMap, end: boolean): void {
    if (this.ended) return;
    const method = headers.method;
    if (method !== "GET") {
      this.isHead = method === "HEAD";
      this.isConnect = method === "CONNECT";
    }
    if (headers.hasId(UPGRADE)) this.isUpgrade = hasToken(headers.getId(CONNECTION) ?? "", "upgrade");
    if (headers.hasId(TRANSFER_ENCODING)) headers.removeId(TRANSFER_ENCODING);
    let framing = FIXED;
    let extra = "\r\n";
    if (!headers.hasId(CONTENT_LENGTH) && !this.isConnect && !this.isUpgrade) {
      if (!end) {
        framing = CHUNKED;
        extra = "transfer-encoding: chunked\r\n\r\n";
      } else if (announcesEmptyBody(method)) extra = "content-length: 0\r\n\r\n";
    }
    const { headerCase, sendFullyQualifiedUrl } = this.#owner.options;
    if (this.isConnect || sendFullyQualifiedUrl || (headers.headerCase ?? headerCase) !== undefined)
      this.writeHead(this.#unusualLines(headers, extra), framing);
    else this.writeHead(headers.toRequestLines() + extra, framing);
    if (end) this.requestDone = true;
  }

  data(chunk: Buffer, end: boolean): boolean {
    if (this.ended || this.requestDone) return true;
    if (end) this.requestDone = true;
    return this.writeData(chunk, end);
  }

  trailers(trailers: HeaderMap): void {
    if (this.ended || this.requestDone) return;
    this.requestDone = true;
    this.writeTrailers(trailers, this.#owner.options.enableTrailers);
  }

  reset(_reason: ResetReason): void {
    if (this.ended) return;
    this.end();
    this.#owner.streamReset(this);
  }

  /** A head with another target than the path, or with names in another form than lower case. */
  #unusualLines(headers: HeaderMap, extra: string): string {
    const { options } = this.#owner;
    const authority = headers.authority;
    let target = this.isConnect ? authority : headers.path;
    if (options.sendFullyQualifiedUrl && !this.isConnect)
      target = `${headers.scheme || "http"}://${authority}${target}`;
    const headerCase = headers.headerCase ?? options.headerCase;
    const lines = `host: ${authority}\r\n${headers.toLines()}${extra}`;
    return `${headers.method} ${target} HTTP/1.1\r\n${headerCase === undefined ? lines : recase(lines, headerCase)}`;
  }
}
