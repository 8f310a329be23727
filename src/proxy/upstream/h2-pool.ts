import type { ClientConnector, PoolCallbacks, PoolRequest, RoutingPriority } from "../api.ts";
import type { H2ClientOptions } from "../../http/h2/options.ts";
import type { ConnectionSettings } from "./cluster-settings.ts";
import { H2PoolConnection } from "./h2-pool-connection.ts";
import type { UpstreamHost } from "./host.ts";
import type { Pool, PoolContext } from "./pool.ts";

/** Stands for a request that was granted at once: there is nothing to cancel. */
const GRANTED: PoolRequest = { cancel() {} };

/**
 * HTTP/2 connections to one host for one routing priority. Requests share a connection as long as it takes more streams;
 * another one is opened when all are full, or have been told to go away.
 */
export class H2Pool implements Pool {
  readonly host: UpstreamHost;
  readonly priority: RoutingPriority;
  readonly context: PoolContext;
  readonly settings: ConnectionSettings;
  readonly http2: H2ClientOptions;
  /** How connections are secured; undefined = plaintext. */
  readonly connector: ClientConnector | undefined;
  /** Connections that take streams, at times or at all times. */
  readonly #ready: H2PoolConnection[] = [];
  readonly #connecting = new Set<H2PoolConnection>();
  /** In the order of their arrival. */
  readonly #waiting = new Set<Pending>();
  #total = 0;
  #draining = false;

  constructor(
    host: UpstreamHost,
    priority: RoutingPriority,
    settings: ConnectionSettings,
    http2: H2ClientOptions,
    context: PoolContext,
    connector?: ClientConnector,
  ) {
    this.host = host;
    this.priority = priority;
    this.settings = settings;
    this.http2 = http2;
    this.context = context;
    this.connector = connector;
  }

  openStream(callbacks: PoolCallbacks): PoolRequest {
    const ready = this.#ready;
    for (let i = 0; i < ready.length; i++) {
      if (!ready[i]!.takesStreams) continue;
      ready[i]!.open(callbacks);
      return GRANTED;
    }
    const { breakers, stats } = this.context;
    if (!breakers.tryAcquire("pending", this.priority)) {
      stats.rqPendingOverflow.inc();
      callbacks.onPoolFailure("overflow", "");
      return GRANTED;
    }
    const pending = new Pending(this, callbacks);
    this.#waiting.add(pending);
    this.host.requestQueued();
    stats.rqPendingTotal.inc();
    stats.rqPendingActive.inc();
    this.#connectIfNeeded();
    return pending;
  }

  /** Idle connections close now, busy ones after their last stream; waiting requests are still served. */
  drain(): void {
    this.#draining = true;
    // The first list gets shorter on the way.
    const ready = this.#ready.slice();
    for (const connection of ready) connection.retire();
    if (this.#waiting.size === 0) for (const connection of this.#connecting) connection.close();
  }

  /** A connection stands. */
  connected(connection: H2PoolConnection): void {
    this.#connecting.delete(connection);
    this.#ready.push(connection);
    this.available(connection);
    if (this.#draining) connection.retire();
    this.serveWaiting();
  }

  /** A connection may take more streams than before. */
  available(connection: H2PoolConnection): void {
    for (const pending of this.#waiting) {
      if (!connection.takesStreams) return;
      this.#take(pending);
      connection.open(pending.callbacks);
    }
  }

  /** A connection takes no more streams. */
  unlist(connection: H2PoolConnection): void {
    const index = this.#ready.indexOf(connection);
    if (index >= 0) this.#ready.splice(index, 1);
  }

  /** A connection is gone, or will be when its last bytes are written. */
  removed(connection: H2PoolConnection): void {
    this.unlist(connection);
    this.#connecting.delete(connection);
    this.#total--;
    this.context.breakers.release("connections", this.priority);
  }

  /** A connection could not be opened: all that wait are told, so that they can try elsewhere. */
  failPending(reason: "connection-failure" | "connection-timeout", detail: string): void {
    // Those that wait now, not those that callbacks add; a callback may also cancel others.
    const waiting = Array.from(this.#waiting);
    for (const pending of waiting) {
      if (!this.#take(pending)) continue;
      this.context.stats.rqPendingFailureEject.inc();
      pending.callbacks.onPoolFailure(reason, detail);
    }
  }

  /** Opens connections for requests that none is being opened for. */
  serveWaiting(): void {
    if (this.#waiting.size > 0) this.#connectIfNeeded();
  }

  cancel(pending: Pending): void {
    if (this.#take(pending)) this.context.stats.rqCancelled.inc();
  }

  /** Takes a request out of the queue; false if it has left it already. */
  #take(pending: Pending): boolean {
    if (!this.#waiting.delete(pending)) return false;
    this.host.requestUnqueued();
    this.context.breakers.release("pending", this.priority);
    this.context.stats.rqPendingActive.dec();
    return true;
  }

  #connectIfNeeded(): void {
    const { breakers, stats } = this.context;
    const { maxRequestsPerConnection: most } = this.settings;
    const streams = this.http2.maxConcurrentStreams;
    const each = most > 0 ? Math.min(most, streams) : streams;
    while (this.#waiting.size > this.#connecting.size * each) {
      if (!breakers.tryAcquire("connections", this.priority)) {
        stats.cxOverflow.inc();
        // A pool without any connection opens one over the limit: nothing else would ever serve its requests.
        if (this.#total > 0) return;
        breakers.acquire("connections", this.priority);
      }
      this.#total++;
      this.#connecting.add(new H2PoolConnection(this));
    }
  }
}

/** A request that waits for a connection. */
class Pending implements PoolRequest {
  readonly callbacks: PoolCallbacks;
  readonly #pool: H2Pool;

  constructor(pool: H2Pool, callbacks: PoolCallbacks) {
    this.#pool = pool;
    this.callbacks = callbacks;
  }

  cancel(): void {
    this.#pool.cancel(this);
  }
}
