import { Timer, type TimerOwner } from "../../../base/timer-wheel.ts";
import type { ClientCodec, ClientCodecHandler, CodecStream } from "../../../http/stream.ts";
import type { Connection, ConnectionHandler } from "../../../net/connection.ts";
import type { TlsInfo } from "../../../net/tls/tls-info.ts";
import type { PoolCallbacks, UpstreamConnectionInfo } from "../../api.ts";
import { ownAddress } from "../hosts/connect-target.ts";
import type { ConnectionPool } from "./connection-pool.ts";

/** Kinds of timers. */
const IDLE = 0;
const DURATION = 1;

/**
 * A connection of a pool that stands, to its end: streams, idle time, age and what is counted. The subclasses say how many
 * streams it takes and what the end of a stream or of the peer's bytes means to it.
 */
export abstract class PoolConnection
  implements ConnectionHandler, ClientCodecHandler, TimerOwner, UpstreamConnectionInfo
{
  abstract readonly protocol: string;
  readonly localAddress: string;
  /** Requests carried so far. */
  requests = 0;
  /** Links of the pool's list of connections that take streams. */
  next: PoolConnection | null = null;
  previous: PoolConnection | null = null;
  listed = false;
  /** Takes no more streams; closes after the last one. */
  retired = false;
  closed = false;
  /** Streams that are open. */
  protected active = 0;
  /** The peer ended the connection, or the system did. */
  protected peerClosed = false;
  protected readonly pool: ConnectionPool;
  protected readonly connection: Connection;
  protected abstract readonly codec: ClientCodec;
  readonly #idleTimer: Timer = new Timer(this, IDLE);
  #durationTimer: Timer | null = null;
  #sentCounted = 0;
  readonly #start: number;

  constructor(pool: ConnectionPool, connection: Connection, start: number) {
    this.pool = pool;
    this.connection = connection;
    this.#start = start;
    connection.handler = this;
    const { context, settings } = pool;
    const { socket } = connection;
    this.localAddress = ownAddress(socket.localAddress, socket.localPort);
    if (settings.maxConnectionDuration > 0) {
      this.#durationTimer = new Timer(this, DURATION);
      context.wheel.arm(this.#durationTimer, settings.maxConnectionDuration);
    }
    this.#armIdle();
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  abstract get takesStreams(): boolean;

  /** Opens a stream for a request. */
  open(callbacks: PoolCallbacks): void {
    const { host, context, settings } = this.pool;
    const { stats } = context;
    host.requestStarted();
    stats.rqTotal.inc();
    stats.rqActive.inc();
    this.active++;
    const stream = this.newStream();
    if (this.requests + 1 === settings.maxRequestsPerConnection) {
      stats.cxMaxRequests.inc();
      this.retired = true;
      this.pool.unlist(this);
    }
    callbacks.onPoolReady(stream, this);
    this.requests++;
  }

  /** No further streams; closes after the last one. */
  retire(): void {
    this.retired = true;
    this.pool.unlist(this);
    if (this.active === 0) this.close();
  }

  /** Closes from our side, after what is queued was written. */
  close(): void {
    if (this.closed) return;
    this.#finish(!this.peerClosed);
    this.connection.close();
    this.pool.serveWaiting();
  }

  onConnect(): void {
    // It stands already.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.pool.context.stats.cxRxBytes.add(end - start);
    if (!this.closed) this.codec.feed(bytes, start, end);
  }

  onEnd(): void {
    if (this.closed) return;
    this.peerClosed = true;
    this.peerEnded();
  }

  onDrain(): void {
    if (!this.closed) this.codec.onDrain();
  }

  onClose(): void {
    if (this.closed) return;
    this.peerClosed = true;
    this.lost();
  }

  abstract onIdle(): void;
  abstract onUnusable(reason: "close" | "protocol-error" | "go-away" | "unfinished-request"): void;

  onLongBody(on: boolean): void {
    this.connection.streamReads(on);
  }

  onTimer(kind: number): void {
    const { stats } = this.pool.context;
    if (kind === DURATION) {
      stats.cxMaxDurationReached.inc();
      this.retire();
    } else if (this.active === 0 && !this.closed) {
      stats.cxIdleTimeout.inc();
      this.close();
    }
  }

  protected abstract newStream(): CodecStream;
  /** The peer will send nothing more. */
  protected abstract peerEnded(): void;
  /** The connection is gone. */
  protected abstract lost(): void;
  /** The connection closes: ends the streams that are open. */
  protected abstract endStreams(): void;

  protected streamEnded(): void {
    const { host, context } = this.pool;
    this.active--;
    host.requestEnded();
    context.stats.rqActive.dec();
    this.#countSent();
    if (this.active === 0 && !this.retired && !this.closed) this.#armIdle();
  }

  /** The timer stays armed when a stream begins: then it fires for nothing, which is cheaper than to disarm it. */
  #armIdle(): void {
    const { context, settings } = this.pool;
    if (settings.idleTimeout > 0) context.wheel.arm(this.#idleTimer, settings.idleTimeout);
  }

  #countSent(): void {
    const sent = this.connection.bytesSent;
    this.pool.context.stats.cxTxBytes.add(sent - this.#sentCounted);
    this.#sentCounted = sent;
  }

  #finish(local: boolean): void {
    const { pool } = this;
    const { wheel } = pool.context;
    const busy = this.active > 0;
    this.closed = true;
    pool.unlist(this);
    this.connection.flush();
    wheel.disarm(this.#idleTimer);
    if (this.#durationTimer !== null) wheel.disarm(this.#durationTimer);
    pool.closed(this.#start, this.requests, local, busy);
    this.endStreams();
    this.#countSent();
  }
}
