import { Timer, type TimerOwner } from "../../../base/timer-wheel.ts";
import { Connection, type ConnectionHandler } from "../../../net/connection.ts";
import { connectErrorDetail } from "./connect-error.ts";
import { connectTarget } from "../hosts/connect-target.ts";
import type { ConnectionPool } from "./connection-pool.ts";

/** A connection of a pool until it stands, or does not come to stand. */
export class OpeningConnection implements ConnectionHandler, TimerOwner {
  readonly #pool: ConnectionPool;
  readonly #connection: Connection;
  readonly #timer: Timer = new Timer(this);
  readonly #start: number;
  #over = false;
  #peerClosed = false;

  constructor(pool: ConnectionPool) {
    this.#pool = pool;
    const { host, context, settings, connector, protocol } = pool;
    const { stats } = context;
    this.#start = context.clock.now();
    const target = connectTarget(host, settings.bufferLimit);
    this.#connection =
      connector === undefined
        ? Connection.connect(target, context.net, this)
        : connector.connect(target, context.net, this);
    stats.cxTotal.inc();
    if (protocol === "http1") stats.cxHttp1Total.inc();
    else if (protocol === "http2") stats.cxHttp2Total.inc();
    stats.cxActive.inc();
    host.connectionOpened();
    context.wheel.arm(this.#timer, settings.connectTimeout);
  }

  /** Gives it up: nobody waits for it. */
  close(): void {
    if (this.#over) return;
    this.#end(true);
    this.#connection.destroy();
    this.#pool.abandoned(this);
  }

  onConnect(): void {
    if (this.#over) return;
    this.#over = true;
    const { context, settings } = this.#pool;
    const { keepalive } = settings;
    context.wheel.disarm(this.#timer);
    if (keepalive !== undefined)
      this.#connection.socket.setKeepAlive(true, keepalive.time, keepalive.interval, keepalive.probes);
    context.stats.cxConnectMs.record(context.clock.now() - this.#start);
    this.#pool.opened(this, this.#connection, this.#start);
  }

  onBytes(): void {}

  onEnd(): void {
    this.#peerClosed = true;
  }

  onDrain(): void {}

  onClose(error: string): void {
    if (this.#over) return;
    const { host } = this.#pool;
    this.#peerClosed = true;
    this.#fail("connection-failure", connectErrorDetail(error, host.address, host.ip === ""));
  }

  onTimer(): void {
    if (this.#over) return;
    this.#pool.context.stats.cxConnectTimeout.inc();
    this.#connection.destroy();
    this.#fail("connection-timeout", "");
  }

  #fail(reason: "connection-failure" | "connection-timeout", detail: string): void {
    const pool = this.#pool;
    pool.context.stats.cxConnectFail.inc();
    pool.host.connectFailed();
    this.#end(!this.#peerClosed);
    pool.failed(this, reason, detail);
    pool.serveWaiting();
  }

  #end(local: boolean): void {
    this.#over = true;
    this.#pool.context.wheel.disarm(this.#timer);
    this.#pool.closed(this.#start, 0, local, false);
  }
}
