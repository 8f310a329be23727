import { Timer, type TimerOwner } from "../../../base/timer-wheel.ts";
import { Connection, type ConnectionHandler } from "../../../net/connection.ts";
import type { TlsInfo } from "../../../net/tls/tls-info.ts";
import type { ClientConnector, ConnectCallbacks, PoolRequest, UpstreamConnection } from "../../api.ts";
import type { ConnectionSettings } from "../cluster-settings.ts";
import { connectErrorDetail } from "./connect-error.ts";
import { connectTarget, ownAddress } from "../hosts/connect-target.ts";
import type { UpstreamHost } from "../hosts/host.ts";
import type { PoolContext } from "./pool.ts";

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;

const PRIORITY = 0;

/** What a connection needs to know of its cluster. */
export interface TcpConnectionOptions {
  readonly host: UpstreamHost;
  readonly settings: ConnectionSettings;
  readonly context: PoolContext;
  /** Undefined = plaintext. */
  readonly connector: ClientConnector | undefined;
}

/**
 * A connection to a host for one owner, who speaks over it what it likes: never shared, never kept. It ends what was
 * acquired of the connection breaker before.
 */
export class TcpConnection implements ConnectionHandler, PoolRequest, TimerOwner, UpstreamConnection {
  readonly protocol = "";
  readonly requests = 0;
  readonly connection: Connection;
  handler: ConnectionHandler = this;
  localAddress = "";
  readonly #host: UpstreamHost;
  readonly #settings: ConnectionSettings;
  readonly #context: PoolContext;
  readonly #callbacks: ConnectCallbacks;
  readonly #timer: Timer = new Timer(this);
  readonly #start: number;
  #state = CONNECTING;
  #peerEnded = false;
  #ended = false;
  /** Our side ended or cut the connection, after which nothing of the peer matters. */
  #local = false;

  /**
   * Opens it, or reports an overflow of the breaker for pending requests.
   * @returns what to cancel
   */
  static open(options: TcpConnectionOptions, callbacks: ConnectCallbacks): PoolRequest {
    const { stats, breakers } = options.context;
    if (breakers.tryAcquire("pending", PRIORITY)) return new TcpConnection(options, callbacks);
    stats.rqPendingOverflow.inc();
    breakers.release("connections", PRIORITY);
    callbacks.onPoolFailure("overflow", "");
    return { cancel() {} };
  }

  private constructor(options: TcpConnectionOptions, callbacks: ConnectCallbacks) {
    const { host, settings, context, connector } = options;
    const { stats, clock, net, wheel } = context;
    this.#host = host;
    this.#settings = settings;
    this.#context = context;
    this.#callbacks = callbacks;
    this.#start = clock.now();
    const target = connectTarget(host, settings.bufferLimit);
    this.connection =
      connector === undefined ? Connection.connect(target, net, this) : connector.connect(target, net, this);
    stats.rqPendingTotal.inc();
    stats.rqPendingActive.inc();
    host.requestQueued();
    stats.cxTotal.inc();
    stats.cxActive.inc();
    host.connectionOpened();
    wheel.arm(this.#timer, settings.connectTimeout);
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  write(bytes: Buffer): boolean {
    this.#context.stats.cxTxBytes.add(bytes.length);
    return this.connection.writeBytes(bytes);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#peerEnded) this.#local = true;
    this.connection.end();
  }

  close(): void {
    // When both sides have ended it is over already, and who ended last is known.
    if (!this.#ended || !this.#peerEnded) this.#local = true;
    this.connection.close();
  }

  destroy(): void {
    if (!this.#ended || !this.#peerEnded) this.#local = true;
    this.connection.destroy();
  }

  reset(): void {
    this.#local = true;
    this.connection.reset();
  }

  /** Takes the wish for a connection back. */
  cancel(): void {
    if (this.#state !== CONNECTING) return;
    this.#context.stats.rqCancelled.inc();
    this.#local = true;
    this.#gone();
    this.connection.destroy();
  }

  onConnect(): void {
    if (this.#state !== CONNECTING) return;
    const { stats, clock, wheel } = this.#context;
    const { socket } = this.connection;
    const { keepalive } = this.#settings;
    this.#state = OPEN;
    wheel.disarm(this.#timer);
    if (keepalive !== undefined)
      socket.setKeepAlive(true, keepalive.time, keepalive.interval, keepalive.probes);
    this.localAddress = ownAddress(socket.localAddress, socket.localPort);
    stats.cxConnectMs.record(clock.now() - this.#start);
    this.#unqueue();
    stats.rqTotal.inc();
    stats.rqActive.inc();
    this.#host.requestStarted();
    this.#callbacks.onConnected(this);
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#context.stats.cxRxBytes.add(end - start);
    if (this.#state === OPEN) this.handler.onBytes(bytes, start, end);
  }

  onEnd(): void {
    this.#peerEnded = true;
    if (this.#state === OPEN) this.handler.onEnd();
  }

  onDrain(): void {
    if (this.#state === OPEN) this.handler.onDrain();
  }

  onClose(error: string): void {
    if (this.#state === CLOSED) return;
    if (this.#state === OPEN) {
      this.#gone();
      this.handler.onClose(error);
    } else {
      const { address, ip } = this.#host;
      this.#failed("connection-failure", connectErrorDetail(error, address, ip === ""));
    }
  }

  onTimer(): void {
    this.#context.stats.cxConnectTimeout.inc();
    this.#local = true;
    this.connection.destroy();
    this.#failed("connection-timeout", "");
  }

  #failed(reason: "connection-failure" | "connection-timeout", detail: string): void {
    const { stats } = this.#context;
    stats.cxConnectFail.inc();
    stats.rqPendingFailureEject.inc();
    this.#host.connectFailed();
    this.#gone();
    this.#callbacks.onPoolFailure(reason, detail);
  }

  #unqueue(): void {
    this.#context.stats.rqPendingActive.dec();
    this.#context.breakers.release("pending", PRIORITY);
    this.#host.requestUnqueued();
  }

  /** Takes the connection out of the books. */
  #gone(): void {
    const { stats, clock, wheel } = this.#context;
    const active = this.#state === OPEN;
    const local = this.#local;
    if (active) {
      stats.rqActive.dec();
      this.#host.requestEnded();
    } else this.#unqueue();
    this.#state = CLOSED;
    wheel.disarm(this.#timer);
    stats.cxActive.dec();
    stats.cxDestroy.inc();
    (local ? stats.cxDestroyLocal : stats.cxDestroyRemote).inc();
    if (active) {
      stats.cxDestroyWithActiveRq.inc();
      (local ? stats.cxDestroyLocalWithActiveRq : stats.cxDestroyRemoteWithActiveRq).inc();
    }
    stats.cxLengthMs.record(clock.now() - this.#start);
    this.#host.connectionClosed();
    this.#context.breakers.release("connections", PRIORITY);
  }
}
