import { latin1 } from "../../base/latin1.ts";
import type { HeaderCase } from "../header-case.ts";
import { HeaderMap } from "../header-map.ts";
import type { ByteSink, CodecError, Deferred, ServerCodec, ServerCodecHandler } from "../stream.ts";
import { bodyFraming } from "./body-framing.ts";
import { BodyReader } from "./body-reader.ts";
import { CR, LF, TOKEN } from "./characters.ts";
import {
  BODY_DISALLOWED,
  CODEC_ERROR,
  HEADERS_TOO_LARGE,
  INVALID_AUTHORITY,
  INVALID_CHARACTERS,
  INVALID_TRANSFER_ENCODING,
  LOW_VERSION,
  UNEXPECTED_UNDERSCORE,
} from "./errors.ts";
import { fieldScanner, findHeadEnd, hasInvalidCharacter, INCOMPLETE, REFUSED } from "./field-scanner.ts";
import { hasToken } from "./has-token.ts";
import { HeldBytes } from "../held-bytes.ts";
import { CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HTTP2_SETTINGS, UPGRADE } from "./ids.ts";
import { keepCase } from "./keep-case.ts";
import type { H1ServerOptions } from "./options.ts";
import { isAuthority, readRequestLine, requestLine, setTarget } from "./request-head.ts";
import { H1ServerStream, type ServerStreamOwner } from "./server-stream.ts";
import { HTTP_1_1, startLine } from "./start-line.ts";

/** Reading a head. */
const HEAD = 0;
/** Reading a body. */
const BODY = 1;
/** The request is complete, its response is not. */
const WAIT = 2;
/** A refusal is being answered; what still comes is of no interest. */
const DISCARD = 3;
const CLOSED = 4;

/** Pipelined bytes that are kept before reading stops. */
const SURPLUS_LIMIT = 65_536;

/**
 * The server side of an HTTP/1.1 connection (RFC 9112), with the leniency and the refusals of Envoy's codec. Requests are
 * taken one at a time: pipelined ones wait as bytes.
 */
export class H1ServerCodec implements ServerCodec, ServerStreamOwner, Deferred {
  readonly protocol = "HTTP/1.1";
  readonly enableTrailers: boolean;
  readonly headerCase: HeaderCase | undefined;
  readonly #sink: ByteSink;
  readonly #handler: ServerCodecHandler;
  readonly #options: H1ServerOptions;
  readonly #body: BodyReader;
  readonly #held = new HeldBytes();
  #phase = HEAD;
  #stream: H1ServerStream | null = null;
  #running = false;
  #draining = false;
  #refused = false;
  #surplusPaused = false;
  /** Bytes of an unfinished head that were searched for its end. */
  #searched = 0;
  #lineChecked = false;
  /** The authority of the last request: it was looked at, and is that of most others on the connection. */
  #lastAuthority = "";

  constructor(sink: ByteSink, handler: ServerCodecHandler, options: H1ServerOptions) {
    this.#sink = sink;
    this.#handler = handler;
    this.#options = options;
    this.enableTrailers = options.enableTrailers;
    this.headerCase = options.headerCase;
    this.#body = new BodyReader(options);
  }

  get activeStreams(): number {
    return this.#stream === null ? 0 : 1;
  }

  feed(bytes: Buffer, start: number, end: number): void {
    if (this.#phase === CLOSED || this.#phase === DISCARD) return;
    if (this.#held.length > 0 || this.#running) {
      this.#held.append(bytes, start, end);
      this.#runHeld();
      return;
    }
    const used = this.#run(bytes, start, end);
    if (used < end) this.#held.append(bytes, used, end);
    this.#checkSurplus();
  }

  onEnd(): void {
    if (this.#phase === CLOSED) return;
    // Envoy does not serve half-closed clients: what is in flight is cut.
    this.onConnectionClosed("");
    this.#handler.onClose("done");
  }

  onConnectionClosed(detail: string): void {
    if (this.#phase === CLOSED) return;
    this.#phase = CLOSED;
    this.#held.clear();
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null || stream.ended) return;
    stream.end();
    stream.handler.onReset("connection-termination", detail);
  }

  onDrain(): void {
    const stream = this.#stream;
    if (stream !== null && !stream.ended) stream.handler.onDrain();
  }

  drain(): void {
    if (this.#draining || this.#phase === CLOSED) return;
    this.#draining = true;
    if (this.#stream === null) this.#close();
  }

  closesAfter(stream: H1ServerStream): boolean {
    return this.#draining || this.#refused || stream.peerWantsClose || !this.#requestComplete();
  }

  responseDone(stream: H1ServerStream): void {
    if (this.#stream !== stream) return;
    this.#stream = null;
    if (stream.closeAfter || this.#draining || !this.#requestComplete()) {
      this.#close();
      return;
    }
    this.#phase = HEAD;
    if (this.#held.length === 0) return;
    // The upstream connection of this exchange is free only when its callers have returned; the next request may want it.
    if (this.#sink.afterTurn === undefined) this.#runHeld();
    else this.#sink.afterTurn(this);
  }

  runDeferred(): void {
    if (this.#phase === HEAD) this.#runHeld();
  }

  streamReset(stream: H1ServerStream): void {
    if (this.#stream !== stream) return;
    this.#stream = null;
    this.#close();
  }

  streamResumed(): void {
    this.#runHeld();
  }

  #requestComplete(): boolean {
    return this.#phase === WAIT || (this.#phase === BODY && this.#body.complete);
  }

  #close(): void {
    this.#phase = CLOSED;
    this.#held.clear();
    this.#checkSurplus();
    this.#handler.onClose(this.#refused ? "protocol-error" : this.#draining ? "drained" : "done");
  }

  #runHeld(): void {
    const held = this.#held;
    if (this.#running || held.length === 0) return;
    const used = this.#run(held.bytes, held.start, held.end);
    // A close on the way has emptied it.
    if (held.length > 0) {
      held.start = used;
      if (held.length === 0) held.clear();
    }
    this.#checkSurplus();
  }

  #checkSurplus(): void {
    const tooMuch = this.#held.length > SURPLUS_LIMIT && this.#phase === WAIT;
    if (tooMuch === this.#surplusPaused) return;
    this.#surplusPaused = tooMuch;
    if (tooMuch) this.#sink.pauseReading();
    else this.#sink.resumeReading();
  }

  /** Takes as much as can be taken now; returns the offset of the first byte that was not. */
  #run(bytes: Buffer, start: number, end: number): number {
    let q = start;
    this.#running = true;
    while (q < end) {
      if (this.#phase === HEAD) {
        if (this.#searched === 0 && (bytes[q] === CR || bytes[q] === LF)) {
          q++;
          continue;
        }
        const next = this.#readHead(bytes, q, end);
        if (next === INCOMPLETE) break;
        q = next;
      } else if (this.#phase === BODY) {
        const next = this.#readBody(bytes, q, end);
        if (next === q) break;
        q = next;
      } else if (this.#phase === WAIT) break;
      else q = end;
    }
    this.#running = false;
    return q;
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    const stream = this.#stream!;
    const body = this.#body;
    if (stream.paused || stream.ended) return start;
    const next = body.read(bytes, start, end, stream);
    if (next === REFUSED) {
      this.#refuse(body.error);
      return end;
    }
    // The handler may have answered within the last call; then the phase is another one already.
    if (this.#phase === BODY && body.complete) this.#phase = WAIT;
    return next;
  }

  /** Returns the offset behind the head, or INCOMPLETE; after a refusal, `end`. */
  #readHead(bytes: Buffer, start: number, end: number): number {
    const options = this.#options;
    if (this.#searched === 0) {
      if (TOKEN[bytes[start]!] === 0) return this.#refuseHead(CODEC_ERROR, end);
    }
    let original = "";
    if (this.#searched > 0 || options.keepsCase) {
      const found = findHeadEnd(bytes, Math.max(start, start + this.#searched - 2), end);
      if (found === INCOMPLETE) return this.#awaitHead(bytes, start, end);
      // The scan writes lower case in place.
      if (options.keepsCase) original = latin1(bytes, start, found);
    }
    const unsplit = startLine.split(bytes, start, end);
    if (unsplit === INCOMPLETE) return this.#awaitHead(bytes, start, end);
    if (startLine.end - start > options.maxHeadBytes) return this.#refuseHead(HEADERS_TOO_LARGE, end);
    const lineError = unsplit ?? readRequestLine(bytes, options);
    // Control characters are refused when the head is there as a whole, other faults of the line at once.
    if (lineError !== undefined && lineError !== INVALID_CHARACTERS) return this.#refuseHead(lineError, end);
    this.#lineChecked = true;
    const headEnd =
      lineError === undefined
        ? fieldScanner.scan(bytes, start, startLine.end, end, options.maxHeaders)
        : REFUSED;
    if (headEnd === INCOMPLETE) return this.#awaitHead(bytes, start, end);
    if (headEnd === REFUSED) {
      const found = findHeadEnd(bytes, startLine.end - 1, end);
      if (found === INCOMPLETE) return this.#awaitHead(bytes, start, end);
      if (found - start > options.maxHeadBytes) return this.#refuseHead(HEADERS_TOO_LARGE, end);
      return this.#refuseHead(
        hasInvalidCharacter(bytes, start, found) ? INVALID_CHARACTERS : fieldScanner.error,
        end,
      );
    }
    if (headEnd - start > options.maxHeadBytes) return this.#refuseHead(HEADERS_TOO_LARGE, end);
    const map = HeaderMap.acquire();
    // The map takes the scanner's table over.
    if (options.keepsCase) map.headerCase = keepCase(fieldScanner, original, options);
    const error = this.#fill(map, bytes, start, headEnd);
    if (error !== undefined) {
      map.release();
      return this.#refuseHead(error, end);
    }
    this.#beginRequest(map, headEnd - start);
    return headEnd;
  }

  #awaitHead(bytes: Buffer, start: number, end: number): number {
    const length = end - start;
    const from = start + this.#searched;
    if (!this.#lineChecked) {
      for (let q = from; q < end; q++) {
        if (bytes[q] !== LF) continue;
        this.#lineChecked = true;
        const unsplit = startLine.split(bytes, start, end);
        if (startLine.end - start > this.#options.maxHeadBytes) break;
        const error = unsplit === undefined ? readRequestLine(bytes, this.#options) : undefined;
        if (error !== undefined) return this.#refuseHead(error, end);
        break;
      }
    }
    if (length > this.#options.maxHeadBytes) return this.#refuseHead(HEADERS_TOO_LARGE, end);
    this.#searched = length;
    this.#openStream().wireBytesReceived = length;
    return INCOMPLETE;
  }

  #openStream(): H1ServerStream {
    let stream = this.#stream;
    if (stream === null) {
      stream = this.#stream = new H1ServerStream(this, this.#sink);
      stream.handler = this.#handler.onStream(stream);
    }
    return stream;
  }

  #fill(map: HeaderMap, bytes: Buffer, start: number, headEnd: number): CodecError | undefined {
    const options = this.#options;
    const raw = latin1(bytes, start, headEnd);
    const drops = options.underscores !== "allow" && fieldScanner.dropUnderscores(bytes, start);
    if (drops && options.underscores === "reject") return UNEXPECTED_UNDERSCORE;
    const lineEnd = startLine.end - start;
    const hostEnd = fieldScanner.firstLineEnd(HOST, lineEnd);
    map.adopt(raw, fieldScanner.fields);
    const http10 = requestLine.version !== HTTP_1_1;
    const given = map.getId(HOST);
    if (given !== undefined) map.removeId(HOST);
    const host = given ?? (http10 ? options.defaultHostForHttp10 : "");
    const target = raw.slice(requestLine.start - start, requestLine.end - start);
    // In Envoy's order, which shows when a head has several faults.
    const error = bodyFraming.read(map, options.allowChunkedLength) ?? setTarget(map, target, host, options);
    if (error !== undefined) return error;
    if (given !== undefined && map.authority === "") map.emptyAuthority = true;
    if (http10 && !options.acceptHttp10) return LOW_VERSION;
    if (map.method === "CONNECT") {
      // What follows the head belongs to the tunnel (RFC 9110 section 9.3.6).
      if (bodyFraming.chunked) return INVALID_TRANSFER_ENCODING;
      if (bodyFraming.contentLength > 0) return BODY_DISALLOWED;
      if (bodyFraming.contentLength === 0) map.removeId(CONTENT_LENGTH);
    }
    if (map.authority !== this.#lastAuthority) {
      if (!isAuthority(map.authority)) return INVALID_AUTHORITY;
      this.#lastAuthority = map.authority;
    }
    // Else the target was not a path, or there were several Hosts.
    const asReceived = host === map.authority && hostEnd - lineEnd === "host: \r\n".length + host.length;
    if (asReceived && !http10 && startLine.regular && map.path === target) map.keepStart(hostEnd);
    return undefined;
  }

  #beginRequest(map: HeaderMap, length: number): void {
    const stream = this.#openStream();
    // The handler of a new stream may have closed the connection.
    if (stream.ended || this.#phase !== HEAD) {
      map.release();
      return;
    }
    const http10 = requestLine.version !== HTTP_1_1;
    stream.wireBytesReceived = length;
    stream.isHead = map.method === "HEAD";
    if (http10) stream.protocol = "HTTP/1.0";
    stream.peerWantsClose = bodyFraming.close || (http10 && !bodyFraming.keepAlive);
    this.#searched = 0;
    this.#lineChecked = false;
    const body = this.#body;
    stream.isConnect = map.method === "CONNECT";
    stream.isUpgrade = map.hasId(UPGRADE) && keepsUpgrade(map);
    if (stream.isConnect || stream.isUpgrade) body.beginUntilClose();
    else if (bodyFraming.chunked) body.beginChunks();
    else body.beginLength(Math.max(bodyFraming.contentLength, 0));
    this.#phase = body.complete ? WAIT : BODY;
    if (
      map.hasId(EXPECT) &&
      !this.#options.proxy100Continue &&
      map.getId(EXPECT)!.toLowerCase() === "100-continue"
    ) {
      map.removeId(EXPECT);
      stream.interim(100, undefined);
    }
    stream.handler.onHeaders(map, this.#phase === WAIT);
  }

  #refuseHead(error: CodecError, end: number): number {
    this.#openStream();
    this.#refuse(error);
    return end;
  }

  #refuse(error: CodecError): void {
    const stream = this.#stream!;
    if (stream.ended) return;
    this.#refused = true;
    this.#phase = DISCARD;
    this.#held.clear();
    if (!stream.headersSent) {
      stream.handler.onCodecError(error);
      return;
    }
    stream.end();
    this.#stream = null;
    stream.handler.onReset("protocol-error", error.details);
    this.#close();
  }
}

/** Drops an upgrade to h2c, which nobody serves, as Envoy does. Returns whether the request still asks for an upgrade. */
function keepsUpgrade(map: HeaderMap): boolean {
  const connection = map.getId(CONNECTION);
  if (connection === undefined || !hasToken(connection, "upgrade")) return false;
  if (map.getId(UPGRADE)!.toLowerCase() !== "h2c") return true;
  map.removeId(UPGRADE);
  map.removeId(HTTP2_SETTINGS);
  const rest = connection
    .split(",")
    .map((token) => token.trim())
    .filter((token) => !/^(?:upgrade|http2-settings)$/i.test(token));
  if (rest.length === 0) map.removeId(CONNECTION);
  else map.setId(CONNECTION, rest.join(","));
  return false;
}
