import type { TimerWheel } from "../../base/timer-wheel.ts";
import type { Clock } from "../../base/clock.ts";
import type { NetContext } from "../../net/net-context.ts";
import type { ClientConnector, PoolCallbacks, PoolRequest, RoutingPriority } from "../api.ts";
import type { Breakers } from "./breakers.ts";
import type { ClusterStats } from "./cluster-stats.ts";
import type { ConnectionSettings } from "./cluster-settings.ts";
import type { UpstreamHost } from "./host.ts";
import { PoolConnection } from "./pool-connection.ts";

/** What the pools of one cluster share. */
export interface PoolContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly net: NetContext;
  readonly stats: ClusterStats;
  readonly breakers: Breakers;
}

/** Connections to one host for one routing priority. */
export interface Pool {
  /** Asks for a stream; the answer may come before the call returns. */
  openStream(callbacks: PoolCallbacks): PoolRequest;
  /** Lets what is in flight or waits finish, and keeps nothing open. */
  drain(): void;
}

/** Stands for a request that was granted at once: there is nothing to cancel. */
const GRANTED: PoolRequest = { cancel() {} };

/**
 * HTTP/1.1 connections to one host for one routing priority. The connection used last is used first, waiting requests
 * are served in order, and each waiting request has a connection being opened for it while the limits allow that.
 */
export class H1Pool implements Pool {
  readonly host: UpstreamHost;
  readonly priority: RoutingPriority;
  readonly context: PoolContext;
  readonly settings: ConnectionSettings;
  /** How connections are secured; undefined = plaintext. */
  readonly connector: ClientConnector | undefined;
  /** Idle connections, a doubly linked list; the one used last is first. */
  #ready: PoolConnection | null = null;
  #first: Pending | null = null;
  #last: Pending | null = null;
  #waiting = 0;
  #connecting = new Set<PoolConnection>();
  #total = 0;
  #draining = false;

  constructor(
    host: UpstreamHost,
    priority: RoutingPriority,
    settings: ConnectionSettings,
    context: PoolContext,
    connector?: ClientConnector,
  ) {
    this.connector = connector;
    this.host = host;
    this.priority = priority;
    this.settings = settings;
    this.context = context;
  }

  openStream(callbacks: PoolCallbacks): PoolRequest {
    const ready = this.#ready;
    if (ready !== null) {
      this.unlinkReady(ready);
      ready.open(callbacks);
      return GRANTED;
    }
    const { breakers, stats } = this.context;
    if (!breakers.tryAcquire("pending", this.priority)) {
      stats.rqPendingOverflow.inc();
      callbacks.onPoolFailure("overflow", "");
      return GRANTED;
    }
    const pending = new Pending(this, callbacks);
    this.#append(pending);
    stats.rqPendingTotal.inc();
    stats.rqPendingActive.inc();
    this.#connectIfNeeded();
    return pending;
  }

  /** Idle connections close now, busy ones after their request; waiting requests are still served. */
  drain(): void {
    this.#draining = true;
    while (this.#ready !== null) this.#ready.close();
    if (this.#waiting === 0) for (const connection of this.#connecting) connection.close();
  }

  /** A connection stands, or finished a request, and can take another. */
  available(connection: PoolConnection): void {
    this.#connecting.delete(connection);
    const pending = this.#first;
    if (pending !== null) {
      this.take(pending);
      connection.open(pending.callbacks);
      return;
    }
    if (this.#draining) {
      connection.close();
      return;
    }
    connection.next = this.#ready;
    connection.previous = null;
    if (this.#ready !== null) this.#ready.previous = connection;
    this.#ready = connection;
    connection.listed = true;
  }

  unlinkReady(connection: PoolConnection): void {
    if (!connection.listed) return;
    if (connection.previous === null) this.#ready = connection.next;
    else connection.previous.next = connection.next;
    if (connection.next !== null) connection.next.previous = connection.previous;
    connection.next = connection.previous = null;
    connection.listed = false;
  }

  /** A connection is gone, or will be when its last bytes are written. */
  removed(connection: PoolConnection): void {
    this.unlinkReady(connection);
    this.#connecting.delete(connection);
    this.#total--;
    this.context.breakers.release("connections", this.priority);
  }

  /** A connection could not be opened: all that wait are told, so that they can try elsewhere. */
  failPending(reason: "connection-failure" | "connection-timeout", detail: string): void {
    // Those that wait now, not those that callbacks add; a callback may also cancel others.
    const failed: Pending[] = [];
    for (let pending = this.#first; pending !== null; pending = pending.next) failed.push(pending);
    for (const pending of failed) {
      if (pending.done) continue;
      this.take(pending);
      this.context.stats.rqPendingFailureEject.inc();
      pending.callbacks.onPoolFailure(reason, detail);
    }
  }

  /** Opens connections for requests that none is being opened for. */
  serveWaiting(): void {
    if (this.#waiting > 0) this.#connectIfNeeded();
  }

  cancel(pending: Pending): void {
    if (pending.done) return;
    this.take(pending);
    this.context.stats.rqCancelled.inc();
  }

  /** Takes a request out of the queue. */
  take(pending: Pending): void {
    pending.done = true;
    if (pending.previous === null) this.#first = pending.next;
    else pending.previous.next = pending.next;
    if (pending.next === null) this.#last = pending.previous;
    else pending.next.previous = pending.previous;
    this.#waiting--;
    this.host.requestUnqueued();
    this.context.breakers.release("pending", this.priority);
    this.context.stats.rqPendingActive.dec();
  }

  #append(pending: Pending): void {
    pending.previous = this.#last;
    if (this.#last === null) this.#first = pending;
    else this.#last.next = pending;
    this.#last = pending;
    this.#waiting++;
    this.host.requestQueued();
  }

  #connectIfNeeded(): void {
    const { breakers, stats } = this.context;
    while (this.#waiting > this.#connecting.size) {
      if (!breakers.tryAcquire("connections", this.priority)) {
        stats.cxOverflow.inc();
        // A pool without any connection opens one over the limit: nothing else would ever serve its requests.
        if (this.#total > 0) return;
        breakers.acquire("connections", this.priority);
      }
      this.#total++;
      this.#connecting.add(new PoolConnection(this));
    }
  }
}

/** A request that waits for a connection. */
class Pending implements PoolRequest {
  readonly callbacks: PoolCallbacks;
  next: Pending | null = null;
  previous: Pending | null = null;
  /** Served, failed or cancelled. */
  done = false;
  readonly #pool: H1Pool;

  constructor(pool: H1Pool, callbacks: PoolCallbacks) {
    this.#pool = pool;
    this.callbacks = callbacks;
  }

  cancel(): void {
    this.#pool.cancel(this);
  }
}
