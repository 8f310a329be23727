import { systemClock, type Clock } from "../../base/clock.ts";
import type { TimerWheel } from "../../base/timer-wheel.ts";
import type { HeaderMap } from "../header-map.ts";
import { knownHeaderId } from "../header-name.ts";
import type { ByteSink, ClientCodec, ClientCodecHandler, ResetReason, StreamHandler } from "../stream.ts";
import { hasToken } from "../h1/has-token.ts";
import { NO_STATS, type H2CodecStats } from "./codec-stats.ts";
import { H2Connection } from "./connection.ts";
import type { ConnectionSide } from "./connection-side.ts";
import { NO_ERROR, PROTOCOL_ERROR, STREAM_CLOSED, type ErrorCode } from "./error-code.ts";
import {
  fieldSection,
  MALFORMED,
  NO_FAULT,
  UNWANTED,
  RESPONSE,
  TRAILERS,
  VIOLATION,
} from "./field-section.ts";
import { fieldWriter } from "./field-writer.ts";
import { MAX_STREAM_ID } from "./frame/frame-type.ts";
import type { H2Stream } from "./h2-stream.ts";
import { Keepalive } from "./keepalive.ts";
import type { H2ClientOptions } from "./options.ts";
import { isLocalClosed, REMOTE_CLOSED } from "./state.ts";

const CONNECTION = knownHeaderId("connection");
const UPGRADE = knownHeaderId("upgrade");

/**
 * The client side of an HTTP/2 connection (RFC 9113): many streams at once. `onIdle` is called whenever a stream has ended
 * and the connection can take another one, after resets too. After a GOAWAY `onUnusable` comes at once and once more when the
 * last stream has ended. Without a wheel there are no keepalive PINGs.
 */
export class H2ClientCodec implements ClientCodec, ConnectionSide {
  readonly protocol = "HTTP/2";
  readonly isServer = false;
  readonly #handler: ClientCodecHandler;
  readonly #options: H2ClientOptions;
  readonly #connection: H2Connection;
  #keepalive: Keepalive | null = null;
  #nextId = 1;
  /** No new streams. */
  #goingAway = false;
  #over = false;

  constructor(
    sink: ByteSink,
    handler: ClientCodecHandler,
    options: H2ClientOptions,
    wheel?: TimerWheel,
    clock: Clock = systemClock,
    stats: H2CodecStats = NO_STATS,
  ) {
    this.#handler = handler;
    this.#options = options;
    this.#connection = new H2Connection(this, sink, options, clock, stats);
    const keepalive = options.connectionKeepalive;
    if (keepalive !== undefined && wheel !== undefined)
      this.#keepalive = new Keepalive(this.#connection, keepalive, wheel, clock, () => this.#dead());
  }

  get activeStreams(): number {
    return this.#connection.activeStreams;
  }

  get availableStreams(): number {
    if (this.#over || this.#goingAway || this.#connection.stopped || this.#nextId > MAX_STREAM_ID) return 0;
    const { peer, activeStreams } = this.#connection;
    return Math.max(
      0,
      Math.min(peer.maxConcurrentStreams, this.#options.maxConcurrentStreams) - activeStreams,
    );
  }

  newStream(handler: StreamHandler): H2Stream {
    if (this.availableStreams === 0)
      throw new Error("Cannot open a stream: the HTTP/2 connection takes no more at the moment");
    this.#keepalive?.onNewStream();
    const connection = this.#connection;
    const stream = connection.open(this.#nextId);
    connection.lastOwnStream = this.#nextId;
    this.#nextId += 2;
    stream.handler = handler;
    return stream;
  }

  feed(bytes: Buffer, start: number, end: number): void {
    this.#keepalive?.heard();
    this.#connection.feed(bytes, start, end);
  }

  onEnd(): void {
    this.#end("");
  }

  onConnectionClosed(detail: string): void {
    this.#end(detail);
  }

  onDrain(): void {
    this.#connection.drained();
  }

  onHeaders(
    id: number,
    stream: H2Stream | undefined,
    bytes: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): void {
    const connection = this.#connection;
    if (stream === undefined || stream.remoteClosed) {
      if (!connection.decode(TRAILERS, bytes, start, end)) return;
      fieldSection.map.release();
      if (stream !== undefined)
        connection.abort(stream, STREAM_CLOSED, "protocol-error", "http2.stream_closed");
      else if ((id & 1) === 0 || id > connection.lastOwnStream) connection.fail(PROTOCOL_ERROR, VIOLATION);
      else if (!connection.wasReset(id)) connection.fail(STREAM_CLOSED, "http2.stream_closed");
      else connection.stats.headers_cb_no_stream.inc();
      return;
    }
    if (stream.headersReceived) return connection.trailers(stream, TRAILERS, bytes, start, end, endStream);
    if (connection.decode(RESPONSE, bytes, start, end)) this.#response(stream, endStream);
  }

  writeHead(stream: H2Stream, headers: HeaderMap): void {
    const { encoder, writer } = this.#connection;
    stream.isHead = headers.method === "HEAD";
    if (headers.hasId(UPGRADE) && hasToken(headers.getId(CONNECTION) ?? "", "upgrade"))
      stream.upgrade = headers.getId(UPGRADE)!;
    stream.isTunnel = stream.upgrade !== "" || headers.method === "CONNECT";
    fieldWriter.request(encoder, writer, headers, stream.upgrade);
  }

  onPingAck(bytes: Buffer, start: number): void {
    this.#keepalive?.onPingAck(bytes, start);
  }

  onGoAway(lastStreamId: number, _code: ErrorCode): void {
    const connection = this.#connection;
    const first = !this.#goingAway;
    this.#goingAway = true;
    // What the server has not taken can be sent again elsewhere (section 6.8).
    for (const stream of connection.openStreams()) {
      if (stream.id <= lastStreamId || stream.over) continue;
      connection.release(stream, "remote-refused-stream-reset", "http2.remote_refuse");
    }
    if (first && !this.#over) this.#handler.onUnusable("go-away");
  }

  onLocalEnd(stream: H2Stream): void {
    if (stream.inboundDone) this.#connection.release(stream);
  }

  onInboundEnd(stream: H2Stream): void {
    const connection = this.#connection;
    if (isLocalClosed(stream.state)) connection.release(stream);
    // The response is complete: nobody has use for the rest of the request.
    else if (!stream.isTunnel) connection.abort(stream, NO_ERROR);
  }

  /** The owner of the stream has its own timeouts. */
  onStalled(): void {}

  onLocalReset(): void {}

  onStreamOver(_stream: H2Stream, _faulty: boolean, _reason: ResetReason | undefined): void {
    if (this.#over || this.#connection.stopped) return;
    if (!this.#goingAway && this.#nextId <= MAX_STREAM_ID) this.#handler.onIdle();
    else if (this.#connection.activeStreams === 0) {
      this.#finish();
      this.#connection.writer.flush();
      this.#handler.onUnusable("go-away");
    }
  }

  onLongBodies(on: boolean): void {
    this.#handler.onLongBody?.(on);
  }

  onFailure(): void {
    if (this.#over) return;
    this.#finish();
    this.#handler.onUnusable("protocol-error");
  }

  #response(stream: H2Stream, endStream: boolean): void {
    const connection = this.#connection;
    const { map, fault, detail, contentLength } = fieldSection;
    const { status } = map;
    const isInterim = status < 200;
    const bodiless = stream.isHead || status === 304 || status === 204;
    const isShort = endStream && contentLength > 0 && !isInterim && !bodiless;
    // Section 8.6: there is no 101.
    const isOdd = isInterim && (endStream || status === 101);
    if (fault !== NO_FAULT || isShort || isOdd) {
      map.release();
      if (fault === UNWANTED) connection.refuse(stream, detail);
      else connection.malformed(stream, fault === MALFORMED ? detail : VIOLATION);
      return;
    }
    if (isInterim) {
      stream.handler.onInterim(status, map);
      return;
    }
    stream.headersReceived = true;
    // Neither has a body whatever its length says (RFC 9110 section 8.6).
    stream.expected = stream.isHead || status === 304 ? 0 : stream.isTunnel ? -1 : contentLength;
    if (stream.upgrade !== "" && status === 200) {
      map.status = 101;
      map.setId(UPGRADE, stream.upgrade);
      map.setId(CONNECTION, "upgrade");
    }
    if (endStream) {
      stream.state |= REMOTE_CLOSED;
      stream.inboundDone = true;
    }
    stream.handler.onHeaders(map, endStream);
    if (endStream && !stream.over) this.onInboundEnd(stream);
  }

  /** The keepalive PING was not answered. */
  #dead(): void {
    this.#connection.stats.keepalive_timeout.inc();
    // An owner that closes the connection then still finds its streams.
    this.#handler.onUnusable("close");
    if (this.#over) return;
    this.#finish();
    this.#connection.close("connection-termination", "http2.keepalive_timeout");
  }

  #end(detail: string): void {
    if (this.#over) return;
    this.#finish();
    this.#connection.close("connection-termination", detail);
    this.#handler.onUnusable("close");
  }

  #finish(): void {
    this.#over = true;
    this.#keepalive?.stop();
  }
}
