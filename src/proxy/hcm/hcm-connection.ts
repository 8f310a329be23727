import { Timer, type TimerOwner } from "../../base/timer-wheel.ts";
import type { CodecStream, ServerCodec, ServerCodecHandler, StreamHandler } from "../../http/stream.ts";
import { H1ServerCodec } from "../../http/h1/server-codec.ts";
import { speaksHttp2 } from "../../http/h2/preface.ts";
import { H2ServerCodec } from "../../http/h2/server-codec.ts";
import type { Connection, ConnectionHandler } from "../../net/connection.ts";
import type { ConnectionInfo, DownstreamConnection } from "../api.ts";
import type { HcmConfig } from "./hcm-config.ts";
import type { HcmStream, StreamOwner } from "./hcm-stream.ts";
import type { StreamPool } from "./stream-pool.ts";

const IDLE = 0;
const MAX_DURATION = 1;
const DELAYED_CLOSE = 2;

/** What the codec calls; apart from the connection because both have an `onClose`. */
class CodecSide implements ServerCodecHandler {
  readonly #connection: HcmConnection;

  constructor(connection: HcmConnection) {
    this.#connection = connection;
  }

  onStream(stream: CodecStream): StreamHandler {
    return this.#connection.onStream(stream);
  }

  onClose(reason: "done" | "protocol-error" | "drained"): void {
    this.#connection.onCodecClose(reason);
  }
}

/** One accepted connection with its codec: lifetime, idle time, close rules. */
export class HcmConnection implements ConnectionHandler, StreamOwner, TimerOwner {
  readonly info: ConnectionInfo;
  readonly #connection: Connection;
  readonly #config: HcmConfig;
  readonly #pool: StreamPool;
  readonly #onGone: (connection: HcmConnection) => void;
  /** Null before the first bytes, which may decide on the protocol. */
  #codec: ServerCodec | null = null;
  #http2 = false;
  /** First bytes that could be the beginning of an HTTP/2 preface. */
  #held: Buffer | null = null;
  readonly #idleTimer = new Timer(this, IDLE);
  readonly #otherTimer = new Timer(this, DELAYED_CLOSE);
  readonly #maxDurationTimer = new Timer(this, MAX_DURATION);
  readonly #accepted: number;
  #requests = 0;
  #idleSince: number;
  #draining = false;
  /** An HTTP/2 client has been told to go elsewhere. */
  #warned = false;
  #closing = false;
  #remoteClosed = false;
  /** The client left while requests were in flight. */
  #leftRequests = false;

  constructor(
    downstream: DownstreamConnection,
    config: HcmConfig,
    pool: StreamPool,
    onGone: (connection: HcmConnection) => void,
  ) {
    this.info = downstream.info;
    this.#connection = downstream.connection;
    this.#config = config;
    this.#pool = pool;
    this.#onGone = onGone;
    const { context, stats } = config;
    this.#accepted = this.#idleSince = context.clock.now();
    stats.counters.downstream_cx_total.inc();
    stats.gauges.downstream_cx_active.inc();
    if (this.info.tls) {
      stats.counters.downstream_cx_ssl_total.inc();
      stats.gauges.downstream_cx_ssl_active.inc();
    }
    if (config.idleTimeout > 0) context.wheel.arm(this.#idleTimer, config.idleTimeout);
    if (config.maxConnectionDuration > 0)
      context.wheel.arm(this.#maxDurationTimer, config.maxConnectionDuration);
  }

  onConnect(): void {
    // Accepted connections stand already.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#config.stats.cxRxBytes.add(end - start);
    if (this.#closing) return;
    if (this.#codec === null) this.#begin(bytes, start, end);
    else this.#codec.feed(bytes, start, end);
  }

  onEnd(): void {
    this.#remoteClosed = true;
    if (this.#closing) return this.#connection.close();
    if (this.#codec === null) return this.onCodecClose("done");
    this.#leftRequests = this.#codec.activeStreams > 0;
    this.#codec.onEnd();
  }

  onDrain(): void {
    this.#codec?.onDrain();
  }

  onClose(error: string): void {
    const { context, stats } = this.#config;
    const counters = stats.counters;
    const active = this.#leftRequests || this.#activeStreams > 0;
    const local = this.#closing && !this.#remoteClosed;
    counters.downstream_cx_destroy.inc();
    counters[local ? "downstream_cx_destroy_local" : "downstream_cx_destroy_remote"].inc();
    if (active) {
      counters.downstream_cx_destroy_active_rq.inc();
      counters[
        local ? "downstream_cx_destroy_local_active_rq" : "downstream_cx_destroy_remote_active_rq"
      ].inc();
    }
    this.#closing = true;
    this.#codec?.onConnectionClosed(error);
    counters.downstream_cx_tx_bytes_total.add(this.#connection.bytesSent);
    stats.gauges.downstream_cx_active.dec();
    if (this.info.tls) stats.gauges.downstream_cx_ssl_active.dec();
    if (this.#codec !== null)
      stats.gauges[this.#http2 ? "downstream_cx_http2_active" : "downstream_cx_http1_active"].dec();
    stats.cxLength.record(context.clock.now() - this.#accepted);
    context.wheel.disarm(this.#idleTimer);
    context.wheel.disarm(this.#otherTimer);
    context.wheel.disarm(this.#maxDurationTimer);
    this.#onGone(this);
  }

  onStream(stream: CodecStream): StreamHandler {
    const handler = this.#pool.take();
    this.#requests++;
    if (this.#http2) this.#limitRequests();
    handler.begin(stream, this);
    return handler;
  }

  /** The codec is through: half-close, and give the peer a moment to read before the socket goes. */
  onCodecClose(reason: "done" | "protocol-error" | "drained"): void {
    if (this.#closing) return;
    // An HTTP/1 stream counts its errors itself.
    if (reason === "protocol-error" && this.#http2)
      this.#config.stats.counters.downstream_cx_protocol_error.inc();
    this.#closing = true;
    const delay = this.#config.delayedCloseTimeout;
    if (this.#remoteClosed || delay <= 0) return this.#connection.close();
    this.#connection.end();
    this.#config.context.wheel.arm(this.#otherTimer, delay);
  }

  closesAfterThis(): boolean {
    if (this.#http2) {
      if (!this.#warned && this.#config.context.drainDecision()) this.#drainHttp2(false);
      return false;
    }
    const max = this.#config.maxRequestsPerConnection;
    const counters = this.#config.stats.counters;
    if (max > 0 && this.#requests >= max) {
      counters.downstream_cx_max_requests_reached.inc();
      return true;
    }
    if (this.#draining) return true;
    if (!this.#config.context.drainDecision()) return false;
    counters.downstream_cx_drain_close.inc();
    return true;
  }

  onStreamDone(stream: HcmStream): void {
    this.#idleSince = stream.info.end;
    this.#pool.retire(stream);
  }

  /** Take no more requests than the one under way, or than the next one. */
  drain(closeIdle: boolean): void {
    if (this.#closing) return;
    this.#draining = true;
    if (this.#http2) return this.#drainHttp2(closeIdle);
    if (!closeIdle || this.#activeStreams > 0) return;
    this.#config.stats.counters.downstream_cx_drain_close.inc();
    this.#closing = true;
    this.#connection.close();
  }

  onTimer(kind: number): void {
    const { context, stats, idleTimeout } = this.#config;
    if (kind === IDLE) {
      if (this.#closing) return;
      const rest =
        this.#activeStreams > 0 ? idleTimeout : idleTimeout - (context.clock.now() - this.#idleSince);
      if (rest > 0) return context.wheel.arm(this.#idleTimer, rest);
      stats.counters.downstream_cx_idle_timeout.inc();
      if (this.#http2) return this.#warn();
      this.#closing = true;
      this.#connection.close();
    } else if (kind === MAX_DURATION) {
      stats.counters.downstream_cx_max_duration_reached.inc();
      if (this.#http2) this.#warn();
      else this.drain(true);
    } else {
      stats.counters.downstream_cx_delayed_close_timeout.inc();
      this.#connection.destroy();
    }
  }

  get #activeStreams(): number {
    return this.#codec === null ? 0 : this.#codec.activeStreams;
  }

  /** The first bytes: makes the codec that they are for. */
  #begin(bytes: Buffer, start: number, end: number): void {
    const { codecType } = this.#config;
    const held = this.#held;
    if (held !== null) {
      bytes = Buffer.concat([held, bytes.subarray(start, end)]);
      start = 0;
      end = bytes.length;
      this.#held = null;
    }
    const alpn = this.#connection.tls?.alpn ?? "";
    let http2: boolean | undefined = codecType === "http2";
    if (codecType === "auto") http2 = alpn === "" ? speaksHttp2(bytes, start, end) : alpn === "h2";
    if (http2 === undefined) this.#held = Buffer.from(bytes.subarray(start, end));
    else this.#createCodec(http2).feed(bytes, start, end);
  }

  #createCodec(http2: boolean): ServerCodec {
    const { codec, http2: http2Options, context, stats } = this.#config;
    const { counters, gauges } = stats;
    const side = new CodecSide(this);
    this.#http2 = http2;
    counters[http2 ? "downstream_cx_http2_total" : "downstream_cx_http1_total"].inc();
    gauges[http2 ? "downstream_cx_http2_active" : "downstream_cx_http1_active"].inc();
    this.#codec = http2
      ? new H2ServerCodec(this.#connection, side, http2Options, context.wheel, context.clock, stats.http2)
      : new H1ServerCodec(this.#connection, side, codec);
    if (http2 && this.#draining) this.#warn();
    return this.#codec;
  }

  /** max_requests_per_connection over HTTP/2: the client is told as soon as the last of them begins, as in Envoy. */
  #limitRequests(): void {
    const max = this.#config.maxRequestsPerConnection;
    if (max === 0 || this.#requests < max) return;
    this.#config.stats.counters.downstream_cx_max_requests_reached.inc();
    this.#warn();
  }

  #drainHttp2(closeIdle: boolean): void {
    if (!this.#warned) this.#config.stats.counters.downstream_cx_drain_close.inc();
    this.#warn();
    // The second call takes no more streams, so that an idle connection ends at once.
    if (closeIdle && this.#activeStreams === 0) this.#codec!.drain();
  }

  /** Tells an HTTP/2 client to open its next streams elsewhere. */
  #warn(): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#codec!.drain();
  }
}
