import { Timer, type TimerOwner } from "../../base/timer-wheel.ts";
import { H2ClientCodec } from "../../http/h2/client-codec.ts";
import type { H2Stream } from "../../http/h2/h2-stream.ts";
import type { ClientCodecHandler, ResetReason } from "../../http/stream.ts";
import { Connection, type ConnectionHandler } from "../../net/connection.ts";
import type { TlsInfo } from "../../net/tls/tls-info.ts";
import type { PoolCallbacks, UpstreamConnectionInfo } from "../api.ts";
import { connectErrorDetail } from "./connect-error.ts";
import { connectTarget, ownAddress } from "./connect-target.ts";
import type { H2Pool } from "./h2-pool.ts";
import { NOBODY } from "./nobody.ts";

const CONNECTING = 0;
const OPEN = 1;
/** Takes no more streams; closes after the last one. */
const RETIRED = 2;
const CLOSED = 3;

/** Kinds of timers: the first one waits for the connection, then for the next request. */
const WAIT = 0;
const DURATION = 1;

/** Tells of every stream that ends, however it does. */
class PoolCodec extends H2ClientCodec {
  owner: H2PoolConnection | null = null;

  override onLocalReset(): void {
    this.owner?.countReset("local-reset");
  }

  override onStreamOver(stream: H2Stream, faulty: boolean, reason: ResetReason | undefined): void {
    if (reason !== undefined) this.owner?.countReset(reason);
    this.owner?.streamEnded();
    super.onStreamOver(stream, faulty, reason);
  }
}

/** One HTTP/2 connection of a pool, from its opening to its end. */
export class H2PoolConnection
  implements ConnectionHandler, ClientCodecHandler, TimerOwner, UpstreamConnectionInfo
{
  readonly protocol = "HTTP/2";
  localAddress = "";
  /** Requests carried so far. */
  requests = 0;
  readonly #pool: H2Pool;
  readonly #connection: Connection;
  #codec: PoolCodec | null = null;
  readonly #timer: Timer = new Timer(this, WAIT);
  #durationTimer: Timer | null = null;
  #state = CONNECTING;
  /** The peer ended the connection, or the system did. */
  #peerClosed = false;
  #active = 0;
  #sentCounted = 0;
  readonly #start: number;

  constructor(pool: H2Pool) {
    this.#pool = pool;
    const { host, context, settings, connector } = pool;
    const { stats } = context;
    this.#start = context.clock.now();
    this.#connection =
      connector === undefined
        ? Connection.connect(connectTarget(host), context.net, this)
        : connector.connect(connectTarget(host), context.net, this);
    stats.cxTotal.inc();
    stats.cxHttp2Total.inc();
    stats.cxActive.inc();
    host.connectionOpened();
    context.wheel.arm(this.#timer, settings.connectTimeout);
  }

  get tls(): TlsInfo | undefined {
    return this.#connection.tls;
  }

  get takesStreams(): boolean {
    return this.#state === OPEN && this.#codec!.availableStreams > 0;
  }

  /** Opens a stream for a request. */
  open(callbacks: PoolCallbacks): void {
    const { host, context, settings } = this.#pool;
    const { stats } = context;
    host.requestStarted();
    stats.rqTotal.inc();
    stats.rqActive.inc();
    this.#active++;
    if (this.requests + 1 === settings.maxRequestsPerConnection) {
      stats.cxMaxRequests.inc();
      this.#retire();
    }
    const stream = this.#codec!.newStream(NOBODY);
    callbacks.onPoolReady(stream, this);
    this.requests++;
  }

  /** No further streams; closes after the last one. */
  retire(): void {
    this.#retire();
    this.#closeIfDone();
  }

  /** Closes from our side, after what is queued was written. */
  close(): void {
    const connecting = this.#state === CONNECTING;
    if (!this.#finish(!this.#peerClosed)) return;
    if (connecting) this.#connection.destroy();
    else this.#connection.close();
    this.#pool.serveWaiting();
  }

  /** A stream ended early. */
  countReset(reason: ResetReason): void {
    const { stats } = this.#pool.context;
    switch (reason) {
      case "connection-termination":
        return stats.rqPendingFailureEject.inc();
      case "local-reset":
      case "protocol-error":
        return stats.rqTxReset.inc();
      case "remote-reset":
        return stats.rqRxReset.inc();
    }
  }

  /** A stream has left the codec. */
  streamEnded(): void {
    const { host, context, settings } = this.#pool;
    this.#active--;
    host.requestEnded();
    context.stats.rqActive.dec();
    this.#countSent();
    // Fires for nothing when there are streams again, which is cheaper than disarming.
    if (this.#active === 0 && this.#state === OPEN && settings.idleTimeout > 0)
      context.wheel.arm(this.#timer, settings.idleTimeout);
  }

  onConnect(): void {
    if (this.#state !== CONNECTING) return;
    const { context, settings, http2 } = this.#pool;
    const { clock, stats, wheel } = context;
    const { socket } = this.#connection;
    const { keepalive } = settings;
    if (keepalive !== undefined)
      socket.setKeepAlive(true, keepalive.time, keepalive.interval, keepalive.probes);
    this.localAddress = ownAddress(socket.localAddress, socket.localPort);
    stats.cxConnectMs.record(clock.now() - this.#start);
    wheel.disarm(this.#timer);
    if (settings.maxConnectionDuration > 0) {
      this.#durationTimer = new Timer(this, DURATION);
      wheel.arm(this.#durationTimer, settings.maxConnectionDuration);
    }
    if (settings.idleTimeout > 0) wheel.arm(this.#timer, settings.idleTimeout);
    this.#codec = new PoolCodec(this.#connection, this, http2, wheel, clock);
    this.#codec.owner = this;
    this.#state = OPEN;
    this.#pool.connected(this);
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#pool.context.stats.cxRxBytes.add(end - start);
    if (this.#state === CLOSED || this.#codec === null) return;
    this.#codec.feed(bytes, start, end);
    // Settings may allow more streams than before.
    if (this.#state === OPEN) this.#pool.available(this);
  }

  onEnd(): void {
    this.#peerClosed = true;
    if (this.#state !== CONNECTING) this.close();
  }

  onDrain(): void {
    if (this.#state !== CLOSED) this.#codec?.onDrain();
  }

  onClose(error: string): void {
    if (this.#state === CLOSED) return;
    this.#peerClosed = true;
    if (this.#state !== CONNECTING) return this.close();
    const { host } = this.#pool;
    this.#connectFailed("connection-failure", connectErrorDetail(error, host.address, host.ip === ""));
  }

  onIdle(): void {
    if (this.#state === OPEN) this.#pool.available(this);
    else this.#closeIfDone();
  }

  onUnusable(reason: "close" | "protocol-error" | "go-away" | "unfinished-request"): void {
    if (this.#state === CLOSED) return;
    const { stats } = this.#pool.context;
    if (reason === "protocol-error") stats.cxProtocolError.inc();
    if (reason !== "go-away") return this.close();
    if (this.#state === OPEN) stats.cxCloseNotify.inc();
    this.retire();
  }

  onLongBody(on: boolean): void {
    this.#connection.streamReads(on);
  }

  onTimer(kind: number): void {
    const { stats } = this.#pool.context;
    if (kind === DURATION) {
      stats.cxMaxDurationReached.inc();
      this.retire();
    } else if (this.#state === CONNECTING) {
      stats.cxConnectTimeout.inc();
      this.#connection.destroy();
      this.#connectFailed("connection-timeout", "");
    } else if (this.#state === OPEN && this.#active === 0) {
      stats.cxIdleTimeout.inc();
      this.close();
    }
  }

  #retire(): void {
    if (this.#state !== OPEN) return;
    this.#state = RETIRED;
    this.#pool.unlist(this);
  }

  #closeIfDone(): void {
    if (this.#state === RETIRED && this.#active === 0) this.close();
  }

  #connectFailed(reason: "connection-failure" | "connection-timeout", detail: string): void {
    const pool = this.#pool;
    pool.context.stats.cxConnectFail.inc();
    pool.host.connectFailed();
    this.#finish(!this.#peerClosed);
    pool.failPending(reason, detail);
    pool.serveWaiting();
  }

  #countSent(): void {
    const sent = this.#connection.bytesSent;
    this.#pool.context.stats.cxTxBytes.add(sent - this.#sentCounted);
    this.#sentCounted = sent;
  }

  /** Takes the connection out of the books and resets its streams; false if that is done already. */
  #finish(local: boolean): boolean {
    if (this.#state === CLOSED) return false;
    const pool = this.#pool;
    const { stats, wheel, clock } = pool.context;
    this.#state = CLOSED;
    this.#connection.flush();
    this.#countSent();
    wheel.disarm(this.#timer);
    if (this.#durationTimer !== null) wheel.disarm(this.#durationTimer);
    stats.cxActive.dec();
    stats.cxDestroy.inc();
    (local ? stats.cxDestroyLocal : stats.cxDestroyRemote).inc();
    if (this.#active > 0) {
      stats.cxDestroyWithActiveRq.inc();
      (local ? stats.cxDestroyLocalWithActiveRq : stats.cxDestroyRemoteWithActiveRq).inc();
    }
    stats.cxLengthMs.record(clock.now() - this.#start);
    stats.rqPerCx.record(this.requests);
    pool.host.connectionClosed();
    pool.removed(this);
    this.#codec?.onConnectionClosed("");
    return true;
  }
}
