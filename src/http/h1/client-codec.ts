import { latin1 } from "../../base/latin1.ts";
import { HeaderMap } from "../header-map.ts";
import type { ByteSink, ClientCodec, ClientCodecHandler, CodecError, StreamHandler } from "../stream.ts";
import { bodyFraming } from "./body-framing.ts";
import { BodyReader } from "./body-reader.ts";
import { H1ClientStream, type ClientStreamOwner } from "./client-stream.ts";
import { CODEC_ERROR, HEADERS_TOO_LARGE } from "./errors.ts";
import { fieldScanner, findHeadEnd, INCOMPLETE, REFUSED } from "./field-scanner.ts";
import { HeldBytes } from "../held-bytes.ts";
import { keepCase } from "./keep-case.ts";
import type { H1ClientOptions } from "./options.ts";
import { HTTP_1_1, startLine, versionOf } from "./start-line.ts";

/** No stream: nothing may arrive. */
const IDLE = 0;
/** A stream is open, its response's head is not complete. */
const HEAD = 1;
const BODY = 2;
const UNUSABLE = 3;

/** A body longer than this is read into a buffer of the connection's own. */
const LONG_BODY = 32_768;
const NO_BYTES = Buffer.alloc(0);

/** The client side of an HTTP/1.1 connection (RFC 9112): one request at a time, no pipelining. */
export class H1ClientCodec implements ClientCodec, ClientStreamOwner {
  readonly protocol = "HTTP/1.1";
  readonly options: H1ClientOptions;
  readonly #sink: ByteSink;
  readonly #handler: ClientCodecHandler;
  readonly #body: BodyReader;
  readonly #held = new HeldBytes();
  #phase = IDLE;
  #stream: H1ClientStream | null = null;
  #running = false;
  #closeAfter = false;
  #longBody = false;
  /** The response's bytes are another protocol's. */
  #tunnel = false;
  /** The peer half-closed while bytes were held back. */
  #ended = false;
  /** Bytes of an unfinished head that were searched for its end. */
  #searched = 0;

  constructor(sink: ByteSink, handler: ClientCodecHandler, options: H1ClientOptions) {
    this.#sink = sink;
    this.#handler = handler;
    this.options = options;
    this.#body = new BodyReader(options);
  }

  get activeStreams(): number {
    return this.#stream === null ? 0 : 1;
  }

  get availableStreams(): number {
    return this.#phase === IDLE ? 1 : 0;
  }

  newStream(handler: StreamHandler): H1ClientStream {
    if (this.#phase !== IDLE)
      throw new Error("Cannot open a stream: an HTTP/1.1 connection takes one at a time");
    this.#phase = HEAD;
    this.#searched = 0;
    this.#closeAfter = this.#tunnel = false;
    const stream = new H1ClientStream(this, this.#sink, handler);
    this.#stream = stream;
    return stream;
  }

  feed(bytes: Buffer, start: number, end: number): void {
    if (this.#phase === UNUSABLE || start === end) return;
    if (this.#phase === IDLE) {
      this.#unusable("protocol-error");
      return;
    }
    if (this.#held.length > 0 || this.#running) {
      this.#held.append(bytes, start, end);
      this.#runHeld();
      return;
    }
    const used = this.#run(bytes, start, end);
    if (used < end) this.#held.append(bytes, used, end);
  }

  onEnd(): void {
    if (this.#stream?.paused && this.#held.length > 0) this.#ended = true;
    else this.#peerGone("");
  }

  onConnectionClosed(detail: string): void {
    // After an orderly end, what is held back is still delivered.
    if (!this.#ended) this.#peerGone(detail);
  }

  onDrain(): void {
    const stream = this.#stream;
    if (stream !== null && !stream.ended) stream.handler.onDrain();
  }

  streamReset(stream: H1ClientStream): void {
    if (this.#stream !== stream) return;
    this.#stream = null;
    this.#unusable("close");
  }

  streamResumed(): void {
    this.#runHeld();
  }

  #runHeld(): void {
    const held = this.#held;
    if (this.#running) return;
    if (held.length > 0) {
      const used = this.#run(held.bytes, held.start, held.end);
      // An end on the way has emptied it.
      if (held.length > 0) {
        held.start = used;
        if (held.length === 0) held.clear();
      }
    }
    if (this.#ended && held.length === 0) this.#peerGone("");
  }

  /** Takes as much as can be taken now; returns the offset of the first byte that was not. */
  #run(bytes: Buffer, start: number, end: number): number {
    let q = start;
    this.#running = true;
    while (q < end) {
      if (this.#phase === HEAD) {
        const next = this.#readHead(bytes, q, end);
        if (next === INCOMPLETE) break;
        q = next;
      } else if (this.#phase === BODY) {
        const next = this.#readBody(bytes, q, end);
        if (next === q) break;
        q = next;
      } else {
        // More than was asked for.
        if (this.#phase === IDLE) this.#unusable("protocol-error");
        q = end;
      }
      if (this.#phase === BODY && this.#body.complete) this.#finish(q < end);
    }
    this.#running = false;
    return q;
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    const stream = this.#stream!;
    if (stream.paused) return start;
    const next = this.#body.read(bytes, start, end, stream);
    if (next !== REFUSED) return next;
    this.#fail(this.#body.error);
    return end;
  }

  /** Returns the offset behind the head, or INCOMPLETE; after a failure, `end`. */
  #readHead(bytes: Buffer, start: number, end: number): number {
    const { maxHeadBytes, maxHeaders } = this.options;
    const stream = this.#stream!;
    if (stream.paused) return INCOMPLETE;
    let original = "";
    if (this.#searched > 0 || this.options.keepsCase) {
      const found = findHeadEnd(bytes, Math.max(start, start + this.#searched - 2), end);
      if (found === INCOMPLETE) return this.#awaitHead(stream, start, end);
      // The scan writes lower case in place.
      if (this.options.keepsCase) original = latin1(bytes, start, found);
    }
    const lineError = startLine.split(bytes, start, end);
    if (lineError === INCOMPLETE) return this.#awaitHead(stream, start, end);
    const headEnd = fieldScanner.scan(bytes, startLine.end, startLine.end, end, maxHeaders);
    if (headEnd === INCOMPLETE) return this.#awaitHead(stream, start, end);
    if (headEnd === REFUSED && findHeadEnd(bytes, startLine.end - 1, end) === INCOMPLETE)
      return this.#awaitHead(stream, start, end);
    if (headEnd === REFUSED || headEnd - start > maxHeadBytes) {
      this.#fail(headEnd === REFUSED ? fieldScanner.error : HEADERS_TOO_LARGE);
      return end;
    }
    if (lineError !== undefined) {
      this.#fail(lineError);
      return end;
    }
    const status = statusOf(bytes);
    const version = versionOf(bytes, startLine.firstStart, startLine.firstEnd);
    if (status === 0 || version === 0) {
      this.#fail(CODEC_ERROR);
      return end;
    }
    this.#searched = 0;
    const map = HeaderMap.acquire();
    map.status = status;
    if (this.options.keepsCase)
      map.headerCase = keepCase(fieldScanner, original.slice(startLine.end - start), this.options);
    map.adopt(latin1(bytes, startLine.end, headEnd), fieldScanner.fields);
    const error = bodyFraming.read(map, this.options.allowChunkedLength) ?? checkBodiless(status);
    if (error !== undefined) {
      map.release();
      this.#fail(error);
      return end;
    }
    stream.wireBytesReceived += headEnd - start;
    this.#deliverHead(stream, map, version);
    return headEnd;
  }

  #awaitHead(stream: H1ClientStream, start: number, end: number): number {
    if (end - start > this.options.maxHeadBytes) {
      this.#fail(HEADERS_TOO_LARGE);
      return end;
    }
    this.#searched = end - start;
    return INCOMPLETE;
  }

  #deliverHead(stream: H1ClientStream, map: HeaderMap, version: number): void {
    const status = map.status;
    if (status < 200 && status !== 101) {
      stream.handler.onInterim(status, map);
      return;
    }
    stream.protocol = version === HTTP_1_1 ? "HTTP/1.1" : "HTTP/1.0";
    stream.peerWantsClose = bodyFraming.close || (version !== HTTP_1_1 && !bodyFraming.keepAlive);
    const body = this.#body;
    this.#closeAfter = stream.peerWantsClose || status === 101;
    this.#tunnel = status === 101 ? stream.isUpgrade : stream.isConnect && status < 300;
    if (this.#tunnel) body.beginUntilClose();
    else if (stream.isHead || status === 101 || status === 204 || status === 304) body.beginEmpty();
    else if (bodyFraming.chunked) body.beginChunks();
    else if (bodyFraming.contentLength >= 0) body.beginLength(bodyFraming.contentLength);
    else body.beginUntilClose();
    this.#phase = BODY;
    if (!body.complete && (bodyFraming.contentLength < 0 || bodyFraming.contentLength > LONG_BODY))
      this.#hintLongBody(true);
    stream.handler.onHeaders(map, body.complete);
  }

  /** The response is complete and has been delivered. */
  #finish(surplus: boolean): void {
    const stream = this.#stream;
    // Else it was reset within the last call.
    if (stream === null) return;
    this.#stream = null;
    stream.end();
    if (surplus) this.#unusable("protocol-error");
    else if (!stream.requestDone) this.#unusable("unfinished-request");
    else if (this.#closeAfter) this.#unusable("close");
    else {
      this.#hintLongBody(false);
      this.#phase = IDLE;
      this.#handler.onIdle();
    }
  }

  #fail(error: CodecError): void {
    const stream = this.#stream;
    this.#stream = null;
    this.#phase = UNUSABLE;
    if (stream !== null && !stream.ended) {
      stream.end();
      stream.handler.onReset("protocol-error", error.details);
    }
    this.#unusable("protocol-error");
  }

  #peerGone(detail: string): void {
    if (this.#phase === UNUSABLE) return;
    const stream = this.#stream;
    const began = this.#phase === BODY || this.#searched > 0;
    const complete = this.#phase === BODY && this.#body.untilClose;
    this.#stream = null;
    this.#phase = UNUSABLE;
    if (stream !== null && !stream.ended) {
      stream.end();
      // Envoy takes any close as the end of a body without a length, and a cut message for a protocol error.
      if (complete && !this.#tunnel) stream.handler.onData(NO_BYTES, true);
      else
        stream.handler.onReset(began && !this.#tunnel ? "protocol-error" : "connection-termination", detail);
    }
    this.#unusable("close");
  }

  #unusable(reason: "close" | "protocol-error" | "unfinished-request"): void {
    this.#phase = UNUSABLE;
    this.#ended = false;
    this.#held.clear();
    this.#hintLongBody(false);
    this.#handler.onUnusable(reason);
  }

  #hintLongBody(on: boolean): void {
    if (this.#longBody === on) return;
    this.#longBody = on;
    this.#handler.onLongBody?.(on);
  }
}

/** The status that `startLine` found: three or more digits, as Envoy's parser takes them; 0 if there is none. */
function statusOf(bytes: Buffer): number {
  let status = 0;
  for (let q = startLine.secondStart; q < startLine.secondEnd; q++) {
    const digit = bytes[q]! - 48;
    if (digit < 0 || digit > 9 || status > 9999) return 0;
    status = status * 10 + digit;
  }
  return status < 100 ? 0 : status;
}

/** Interim answers and 204 must not announce a body (RFC 9110 section 8.6, RFC 9112 section 6.1). */
function checkBodiless(status: number): CodecError | undefined {
  if (status >= 200 && status !== 204) return undefined;
  return bodyFraming.chunked || bodyFraming.contentLength > 0 ? CODEC_ERROR : undefined;
}
