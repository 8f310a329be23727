import { systemClock, type Clock } from "../../base/clock.ts";
import { Timer, type TimerOwner, type TimerWheel } from "../../base/timer-wheel.ts";
import type { HeaderMap } from "../header-map.ts";
import { knownHeaderId } from "../header-name.ts";
import type { ByteSink, ServerCodec, ServerCodecHandler } from "../stream.ts";
import { hasToken } from "../h1/has-token.ts";
import { PREMATURE_AGE } from "./budgets.ts";
import { NO_STATS, type H2CodecStats } from "./codec-stats.ts";
import { H2Connection } from "./connection.ts";
import type { ConnectionSide } from "./connection-side.ts";
import { ENHANCE_YOUR_CALM, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED } from "./error-code.ts";
import {
  fieldSection,
  MALFORMED,
  NO_FAULT,
  UNWANTED,
  REQUEST,
  TRAILERS,
  VIOLATION,
} from "./field-section.ts";
import { fieldWriter } from "./field-writer.ts";
import { FlushTimeout } from "./flush-timeout.ts";
import { writeGoAway, writePing } from "./frame/control.ts";
import { FRAME_HEADER, MAX_STREAM_ID } from "./frame/frame-type.ts";
import type { H2Stream } from "./h2-stream.ts";
import { Keepalive } from "./keepalive.ts";
import type { H2ServerOptions } from "./options.ts";
import { LOCAL_CLOSED, REMOTE_CLOSED } from "./state.ts";

const CONNECTION = knownHeaderId("connection");
const UPGRADE = knownHeaderId("upgrade");

const SERVING = 0;
/** GOAWAY without a limit is out: the client should go elsewhere, but what it has sent meanwhile is served. */
const WARNED = 1;
/** The last GOAWAY is out: no stream beyond `#lastStream` is taken. */
const DRAINING = 2;
const DONE = 3;

/** Payload of the PING that measures the round trip between the two GOAWAYs. */
const DRAIN_PING = 0x64726169;

/**
 * The server side of an HTTP/2 connection (RFC 9113). A `connection: close` in a response begins `drain`. Malformed requests
 * are told as a stream that is reset at once, so that they show in access logs. Given no wheel, it waits for one round trip
 * instead of `drainTimeout` and sends no keepalive PINGs.
 */
export class H2ServerCodec implements ServerCodec, ConnectionSide, TimerOwner {
  readonly protocol = "HTTP/2";
  readonly isServer = true;
  readonly #handler: ServerCodecHandler;
  readonly #options: H2ServerOptions;
  readonly #connection: H2Connection;
  readonly #wheel: TimerWheel | undefined;
  readonly #clock: Clock;
  #keepalive: Keepalive | null = null;
  #drainTimer: Timer | null = null;
  #phase = SERVING;
  #lastStream = MAX_STREAM_ID;
  /** Highest stream that was not refused. */
  #lastTaken = 0;

  constructor(
    sink: ByteSink,
    handler: ServerCodecHandler,
    options: H2ServerOptions,
    wheel?: TimerWheel,
    clock: Clock = systemClock,
    stats: H2CodecStats = NO_STATS,
  ) {
    this.#handler = handler;
    this.#options = options;
    this.#wheel = wheel;
    this.#clock = clock;
    this.#connection = new H2Connection(this, sink, options, clock, stats);
    const keepalive = options.connectionKeepalive;
    if (keepalive !== undefined && wheel !== undefined)
      this.#keepalive = new Keepalive(this.#connection, keepalive, wheel, clock, () => this.#dead());
  }

  get activeStreams(): number {
    return this.#connection.activeStreams;
  }

  feed(bytes: Buffer, start: number, end: number): void {
    this.#keepalive?.heard();
    this.#connection.feed(bytes, start, end);
    this.#checkDrained();
  }

  onEnd(): void {
    if (this.#phase === DONE) return;
    // As with HTTP/1.1, half-closed clients are not served.
    this.onConnectionClosed("");
    this.#handler.onClose("done");
  }

  onConnectionClosed(detail: string): void {
    this.#finish();
    this.#connection.close("connection-termination", detail);
  }

  onDrain(): void {
    this.#connection.drained();
    this.#checkDrained();
  }

  /** The first call warns the client; `drainTimeout` later, or by a second call, no more streams are taken. */
  drain(): void {
    if (this.#phase === SERVING) this.#warn();
    else if (this.#phase === WARNED) {
      this.#lastGoAway();
      this.#checkDrained();
    }
  }

  onTimer(): void {
    if (this.#phase !== WARNED) return;
    this.#lastGoAway();
    this.#checkDrained();
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
    if (stream !== undefined) {
      if (!stream.remoteClosed) return connection.trailers(stream, TRAILERS, bytes, start, end, endStream);
      if (!connection.decode(TRAILERS, bytes, start, end)) return;
      fieldSection.map.release();
      return connection.abort(stream, STREAM_CLOSED, "protocol-error", "http2.stream_closed");
    }
    if ((id & 1) === 0) return connection.fail(PROTOCOL_ERROR, VIOLATION);
    if (id <= connection.lastPeerStream) {
      if (!connection.wasReset(id)) return connection.fail(STREAM_CLOSED, "http2.stream_closed");
      if (connection.decode(TRAILERS, bytes, start, end)) fieldSection.map.release();
      return;
    }
    connection.lastPeerStream = id;
    if (!connection.decode(REQUEST, bytes, start, end)) return;
    if (id > this.#lastStream || connection.activeStreams >= this.#options.maxConcurrentStreams) {
      fieldSection.map.release();
      connection.stats.stream_refused_errors.inc();
      connection.reset(id, REFUSED_STREAM);
      return this.#count(true);
    }
    this.#request(id, end - start + FRAME_HEADER, endStream);
  }

  writeHead(stream: H2Stream, headers: HeaderMap): void {
    const { encoder, writer } = this.#connection;
    // RFC 8441: there is no 101, any 2xx means that the tunnel stands.
    const status = headers.status === 101 && stream.upgrade !== "" ? 200 : headers.status;
    const closes = headers.hasId(CONNECTION) && hasToken(headers.getId(CONNECTION)!, "close");
    stream.silent = stream.isHead || status === 204 || status === 304;
    if (closes && this.#phase === SERVING) this.#warn();
    fieldWriter.response(encoder, writer, headers, status);
  }

  onPingAck(bytes: Buffer, start: number): void {
    if (bytes.readUInt32BE(start) !== DRAIN_PING) this.#keepalive?.onPingAck(bytes, start);
    else if (this.#phase === WARNED && this.#wheel === undefined) this.#lastGoAway();
  }

  /** A client that goes away opens no more streams; those that are open are served. */
  onGoAway(): void {}

  onLocalEnd(stream: H2Stream): void {
    const connection = this.#connection;
    if (stream.remoteClosed) connection.release(stream);
    // Section 8.1: the rest of the request is of no use. As in Envoy, that goes for tunnels, too.
    else connection.abort(stream, NO_ERROR);
  }

  onInboundEnd(stream: H2Stream): void {
    if ((stream.state & LOCAL_CLOSED) !== 0) this.#connection.release(stream);
  }

  onStalled(stream: H2Stream): void {
    const { flushTimeout } = this.#options;
    if (flushTimeout === 0 || this.#wheel === undefined || stream.flushTimer !== null) return;
    stream.flushTimer = new FlushTimeout(this.#connection, stream).timer;
    this.#wheel.arm(stream.flushTimer, flushTimeout);
  }

  onLocalReset(): void {}

  onStreamOver(stream: H2Stream, faulty: boolean): void {
    if (stream.flushTimer !== null) this.#wheel!.disarm(stream.flushTimer);
    const young = faulty && !stream.headersSent && this.#clock.now() - stream.openedAt <= PREMATURE_AGE;
    this.#count(young);
  }

  /** Accepted connections read into the shared buffer in any case. */
  onLongBodies(): void {}

  onFailure(): void {
    if (this.#phase === DONE) return;
    this.#finish();
    this.#handler.onClose("protocol-error");
  }

  #request(id: number, wireBytes: number, endStream: boolean): void {
    const connection = this.#connection;
    const { map, fault, detail, contentLength } = fieldSection;
    const stream = connection.open(id);
    this.#lastTaken = id;
    // Whole milliseconds: fractions would cost an object.
    stream.openedAt = Math.trunc(this.#clock.now());
    stream.wireBytesReceived = wireBytes;
    stream.headersReceived = true;
    stream.handler = this.#handler.onStream(stream);
    if (connection.stopped || stream.over) return map.release();
    if (fault !== NO_FAULT || (endStream && contentLength > 0)) {
      map.release();
      if (fault === UNWANTED) connection.refuse(stream, detail);
      else connection.malformed(stream, fault === MALFORMED ? detail : VIOLATION);
      return;
    }
    stream.isHead = map.method === "HEAD";
    stream.expected = contentLength;
    if (map.method === "CONNECT") {
      stream.isTunnel = true;
      stream.expected = -1;
      if (map.protocol !== "") {
        // To the rest of the proxy it is the upgrade that HTTP/1.1 would have, as in Envoy.
        stream.upgrade = map.protocol;
        map.method = "GET";
        map.setId(UPGRADE, map.protocol);
        map.setId(CONNECTION, "upgrade");
      }
    }
    if (endStream) {
      stream.state |= REMOTE_CLOSED;
      stream.inboundDone = true;
    }
    stream.handler.onHeaders(map, endStream);
  }

  #warn(): void {
    const connection = this.#connection;
    this.#phase = WARNED;
    connection.enter();
    writeGoAway(connection.writer, MAX_STREAM_ID, NO_ERROR);
    if (this.#wheel === undefined) writePing(connection.writer, DRAIN_PING, 0);
    else this.#wheel.arm((this.#drainTimer ??= new Timer(this)), this.#options.drainTimeout);
    connection.leave();
  }

  #lastGoAway(): void {
    const connection = this.#connection;
    this.#phase = DRAINING;
    this.#lastStream = this.#lastTaken;
    connection.stats.goaway_sent.inc();
    connection.enter();
    writeGoAway(connection.writer, this.#lastStream, NO_ERROR);
    connection.leave();
  }

  /** Counts a stream that is over, for the budget against rapid reset. */
  #count(premature: boolean): void {
    const connection = this.#connection;
    const flood = connection.budgets.onStreamClosed(premature, this.#options.prematureResetStreamCount);
    if (flood !== "") connection.fail(ENHANCE_YOUR_CALM, flood);
    else if (this.#phase === DRAINING) this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#phase !== DRAINING || this.#connection.activeStreams > 0) return;
    this.#finish();
    this.#connection.writer.flush();
    this.#connection.close("connection-termination", "");
    this.#handler.onClose("drained");
  }

  /** The keepalive PING was not answered. */
  #dead(): void {
    if (this.#phase === DONE) return;
    this.#connection.stats.keepalive_timeout.inc();
    this.onConnectionClosed("downstream_local_disconnect(http2_ping_timeout)");
    this.#handler.onClose("done");
  }

  #finish(): void {
    this.#phase = DONE;
    this.#keepalive?.stop();
    if (this.#drainTimer !== null) this.#wheel!.disarm(this.#drainTimer);
  }
}
