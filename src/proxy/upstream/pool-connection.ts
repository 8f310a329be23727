import { Timer, type TimerOwner } from "../../base/timer-wheel.ts";
import type { H1ClientStream } from "../../http/h1/client-stream.ts";
import { H1ClientCodec } from "../../http/h1/client-codec.ts";
import type { ClientCodecHandler } from "../../http/stream.ts";
import { Connection, type ConnectionHandler } from "../../net/connection.ts";
import type { PoolCallbacks, UpstreamConnectionInfo } from "../api.ts";
import type { TlsInfo } from "../../net/tls/tls-info.ts";
import { connectErrorDetail } from "./connect-error.ts";
import { connectTarget, ownAddress } from "./connect-target.ts";
import { NOBODY } from "./nobody.ts";
import type { H1Pool } from "./pool.ts";

const CONNECTING = 0;
const IDLE = 1;
const BUSY = 2;
const CLOSED = 3;

/** Kinds of timers: the first one waits for the connection, then for the next request. */
const WAIT = 0;
const DURATION = 1;

/** Tells resets by our side from responses that came to their end. */
class PoolCodec extends H1ClientCodec {
  wasReset = false;

  override streamReset(stream: H1ClientStream): void {
    this.wasReset = true;
    super.streamReset(stream);
  }
}

/** One HTTP/1.1 connection of a pool, from its opening to its end. */
export class PoolConnection
  implements ConnectionHandler, ClientCodecHandler, TimerOwner, UpstreamConnectionInfo
{
  readonly protocol = "HTTP/1.1";
  localAddress = "";
  /** Requests carried so far. */
  requests = 0;
  /** Links of the pool's list of idle connections. */
  next: PoolConnection | null = null;
  previous: PoolConnection | null = null;
  listed = false;
  readonly #pool: H1Pool;
  readonly #connection: Connection;
  readonly #codec: PoolCodec;
  readonly #timer: Timer = new Timer(this, WAIT);
  #durationTimer: Timer | null = null;
  #state = CONNECTING;
  #streaming = false;
  /** No further request after the current one. */
  #last = false;
  /** The peer ended the connection, or the system did. */
  #peerClosed = false;
  #sentCounted = 0;
  readonly #start: number;

  constructor(pool: H1Pool) {
    this.#pool = pool;
    const { host, context, settings, connector } = pool;
    const { stats } = context;
    this.#start = context.clock.now();
    this.#connection =
      connector === undefined
        ? Connection.connect(connectTarget(host), context.net, this)
        : connector.connect(connectTarget(host), context.net, this);
    this.#codec = new PoolCodec(this.#connection, this, settings.http1);
    stats.cxTotal.inc();
    stats.cxHttp1Total.inc();
    stats.cxActive.inc();
    host.connectionOpened();
    context.wheel.arm(this.#timer, settings.connectTimeout);
  }

  get tls(): TlsInfo | undefined {
    return this.#connection.tls;
  }

  /** Gives the connection to a request. */
  open(callbacks: PoolCallbacks): void {
    const { host, context, settings } = this.#pool;
    this.#state = BUSY;
    this.#streaming = true;
    host.requestStarted();
    context.stats.rqTotal.inc();
    context.stats.rqActive.inc();
    if (this.requests + 1 === settings.maxRequestsPerConnection) {
      context.stats.cxMaxRequests.inc();
      this.#last = true;
    }
    const stream = this.#codec.newStream(NOBODY);
    callbacks.onPoolReady(stream, this);
    this.requests++;
  }

  /** Closes from our side, after what is queued was written. */
  close(): void {
    const connecting = this.#state === CONNECTING;
    if (!this.#finish(!this.#peerClosed)) return;
    if (connecting) this.#connection.destroy();
    else this.#connection.close();
    this.#pool.serveWaiting();
  }

  onConnect(): void {
    if (this.#state !== CONNECTING) return;
    const { context, settings } = this.#pool;
    const socket = this.#connection.socket;
    const keepalive = settings.keepalive;
    if (keepalive !== undefined)
      socket.setKeepAlive(true, keepalive.time, keepalive.interval, keepalive.probes);
    this.localAddress = ownAddress(socket.localAddress, socket.localPort);
    context.stats.cxConnectMs.record(context.clock.now() - this.#start);
    context.wheel.disarm(this.#timer);
    if (settings.maxConnectionDuration > 0) {
      this.#durationTimer = new Timer(this, DURATION);
      context.wheel.arm(this.#durationTimer, settings.maxConnectionDuration);
    }
    this.#idle();
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#pool.context.stats.cxRxBytes.add(end - start);
    if (this.#state !== CLOSED) this.#codec.feed(bytes, start, end);
  }

  /** The peer will send nothing more: an idle connection is of no use to anybody. */
  onEnd(): void {
    if (this.#state === CLOSED) return;
    this.#peerClosed = true;
    // The codec may hold back bytes that its stream has yet to take; it ends the connection by `onUnusable`.
    if (this.#state === BUSY) this.#codec.onEnd();
    else this.close();
  }

  onDrain(): void {
    if (this.#state !== CLOSED) this.#codec.onDrain();
  }

  onClose(error: string): void {
    if (this.#state === CLOSED) return;
    this.#peerClosed = true;
    if (this.#state === CONNECTING) {
      const { host } = this.#pool;
      this.#connectFailed("connection-failure", connectErrorDetail(error, host.address, host.ip === ""));
    } else if (this.#state === BUSY) this.#codec.onConnectionClosed("");
    else this.close();
  }

  onIdle(): void {
    if (this.#state !== BUSY) return;
    this.#streamEnded();
    if (this.#last) this.close();
    else this.#idle();
  }

  onUnusable(reason: "close" | "protocol-error" | "go-away" | "unfinished-request"): void {
    if (this.#state === CLOSED) return;
    if (reason === "protocol-error") this.#pool.context.stats.cxProtocolError.inc();
    if (this.#codec.activeStreams > 0) {
      this.#last = true;
      return;
    }
    if (reason === "close" && !this.#peerClosed && !this.#codec.wasReset) this.#streamEnded();
    this.close();
  }

  onLongBody(on: boolean): void {
    this.#connection.streamReads(on);
  }

  onTimer(kind: number): void {
    const { stats } = this.#pool.context;
    if (kind === DURATION) {
      stats.cxMaxDurationReached.inc();
      if (this.#state === BUSY) this.#last = true;
      else this.close();
    } else if (this.#state === CONNECTING) {
      stats.cxConnectTimeout.inc();
      this.#connection.destroy();
      this.#connectFailed("connection-timeout", "");
    } else if (this.#state === IDLE) {
      stats.cxIdleTimeout.inc();
      this.close();
    }
  }

  #idle(): void {
    this.#state = IDLE;
    const { context, settings } = this.#pool;
    // The timer stays armed while the connection is busy: then it fires for nothing, which is cheaper than relinking.
    if (settings.idleTimeout > 0) context.wheel.arm(this.#timer, settings.idleTimeout);
    this.#pool.available(this);
  }

  #connectFailed(reason: "connection-failure" | "connection-timeout", detail: string): void {
    const pool = this.#pool;
    pool.context.stats.cxConnectFail.inc();
    pool.host.connectFailed();
    this.#finish(!this.#peerClosed);
    pool.failPending(reason, detail);
    pool.serveWaiting();
  }

  #streamEnded(): void {
    if (!this.#streaming) return;
    this.#streaming = false;
    this.#pool.host.requestEnded();
    this.#pool.context.stats.rqActive.dec();
    this.#countSent();
  }

  #countSent(): void {
    const sent = this.#connection.bytesSent;
    this.#pool.context.stats.cxTxBytes.add(sent - this.#sentCounted);
    this.#sentCounted = sent;
  }

  /** Takes the connection out of the books; false if that is done already. */
  #finish(local: boolean): boolean {
    if (this.#state === CLOSED) return false;
    const pool = this.#pool;
    const { stats, wheel, clock } = pool.context;
    this.#state = CLOSED;
    this.#connection.flush();
    const streaming = this.#streaming;
    this.#streamEnded();
    this.#countSent();
    wheel.disarm(this.#timer);
    if (this.#durationTimer !== null) wheel.disarm(this.#durationTimer);
    stats.cxActive.dec();
    stats.cxDestroy.inc();
    (local ? stats.cxDestroyLocal : stats.cxDestroyRemote).inc();
    if (streaming) {
      stats.cxDestroyWithActiveRq.inc();
      (local ? stats.cxDestroyLocalWithActiveRq : stats.cxDestroyRemoteWithActiveRq).inc();
    }
    stats.cxLengthMs.record(clock.now() - this.#start);
    stats.rqPerCx.record(this.requests);
    pool.host.connectionClosed();
    pool.removed(this);
    return true;
  }
}
