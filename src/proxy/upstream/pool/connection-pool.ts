import type { Connection } from "../../../net/connection.ts";
import type { ClientConnector, PoolCallbacks, PoolRequest, RoutingPriority } from "../../api.ts";
import type { ConnectionSettings } from "../cluster-settings.ts";
import { H1PoolConnection } from "./h1-pool-connection.ts";
import { H2PoolConnection } from "./h2-pool-connection.ts";
import type { UpstreamHost } from "../hosts/host.ts";
import { OpeningConnection } from "./opening-connection.ts";
import type { Pool, PoolContext } from "./pool.ts";
import type { PoolConnection } from "./pool-connection.ts";
import type { PoolProtocol } from "../upstream-protocols.ts";
import { WaitingRequest, WaitingRequests } from "./waiting-requests.ts";

/** What a pool is made of. */
export interface ConnectionPoolOptions {
  readonly host: UpstreamHost;
  readonly priority: RoutingPriority;
  readonly protocol: PoolProtocol;
  readonly settings: ConnectionSettings;
  readonly context: PoolContext;
  readonly connector: ClientConnector | undefined;
}

/** Stands for a request that was granted at once: there is nothing to cancel. */
const GRANTED: PoolRequest = { cancel() {} };

/**
 * Connections to one host for one routing priority, of either protocol. The connection used last is used first, requests that
 * find none wait in order, and connections are opened for all that wait while the limits allow that. What a connection carries
 * at once is its own affair.
 */
export class ConnectionPool implements Pool {
  readonly host: UpstreamHost;
  readonly priority: RoutingPriority;
  readonly context: PoolContext;
  readonly protocol: PoolProtocol;
  readonly settings: ConnectionSettings;
  /** How connections are secured; undefined = plaintext. */
  readonly connector: ClientConnector | undefined;
  /** Connections that take a stream, a doubly linked list; the one used last is first. */
  #ready: PoolConnection | null = null;
  readonly #waiting = new WaitingRequests();
  readonly #opening = new Set<OpeningConnection>();
  readonly #onCancel = (request: WaitingRequest): void => this.#cancel(request);
  /** Streams that a connection will carry at once, as far as is known before it stands. */
  #capacity: number;
  #total = 0;
  #draining = false;

  constructor(options: ConnectionPoolOptions) {
    const { protocol, settings } = options;
    this.host = options.host;
    this.priority = options.priority;
    this.protocol = protocol;
    this.settings = settings;
    this.context = options.context;
    this.connector = options.connector;
    this.#capacity = capacity(settings, protocol !== "http1");
  }

  openStream(callbacks: PoolCallbacks): PoolRequest {
    for (let ready = this.#ready; ready !== null; ready = this.#ready) {
      if (ready.takesStreams) {
        ready.open(callbacks);
        return GRANTED;
      }
      this.unlist(ready);
    }
    return this.#wait(callbacks);
  }

  /** Idle connections close now, busy ones after their last stream; waiting requests are still served. */
  drain(): void {
    this.#draining = true;
    // Each one leaves the list.
    while (this.#ready !== null) this.#ready.retire();
    if (this.#waiting.size === 0) for (const connection of this.#opening) connection.close();
  }

  /** A connection stands: it speaks what was configured, or what the handshake agreed on. */
  opened(opening: OpeningConnection, connection: Connection, start: number): void {
    const { protocol } = this;
    const http2 = protocol === "http2" || (protocol === "alpn" && connection.tls?.alpn === "h2");
    const { stats } = this.context;
    if (protocol === "alpn") {
      (http2 ? stats.cxHttp2Total : stats.cxHttp1Total).inc();
      // The next connections will most likely agree on the same.
      this.#capacity = capacity(this.settings, http2);
    }
    this.#opening.delete(opening);
    const kind = http2 ? H2PoolConnection : H1PoolConnection;
    this.available(new kind(this, connection, start));
    // It may carry less than was expected of it.
    if (protocol !== "http1") this.serveWaiting();
  }

  /** A connection takes a stream, or more of them than before. */
  available(connection: PoolConnection): void {
    for (let first = this.#waiting.first; first !== null; first = this.#waiting.first) {
      if (!connection.takesStreams) return;
      this.#take(first);
      connection.open(first.callbacks);
    }
    if (connection.listed || !connection.takesStreams) return;
    if (this.#draining) return connection.retire();
    connection.next = this.#ready;
    connection.previous = null;
    if (this.#ready !== null) this.#ready.previous = connection;
    this.#ready = connection;
    connection.listed = true;
  }

  /** A connection takes no more streams for now. */
  unlist(connection: PoolConnection): void {
    if (!connection.listed) return;
    if (connection.previous === null) this.#ready = connection.next;
    else connection.previous.next = connection.next;
    if (connection.next !== null) connection.next.previous = connection.previous;
    connection.next = connection.previous = null;
    connection.listed = false;
  }

  /** A connection could not be opened: all that wait are told, so that they can try elsewhere. */
  failed(
    opening: OpeningConnection,
    reason: "connection-failure" | "connection-timeout",
    detail: string,
  ): void {
    this.#opening.delete(opening);
    // Those that wait now, not those that callbacks add; a callback may also cancel others.
    for (const request of this.#waiting.list()) {
      if (request.done) continue;
      this.#take(request);
      this.context.stats.rqPendingFailureEject.inc();
      request.callbacks.onPoolFailure(reason, detail);
    }
  }

  /** A connection is not opened after all. */
  abandoned(opening: OpeningConnection): void {
    this.#opening.delete(opening);
  }

  /** A connection is gone, or will be when its last bytes are written: takes it out of the books. */
  closed(start: number, requests: number, local: boolean, busy: boolean): void {
    const { stats, clock, breakers } = this.context;
    stats.cxActive.dec();
    stats.cxDestroy.inc();
    (local ? stats.cxDestroyLocal : stats.cxDestroyRemote).inc();
    if (busy) {
      stats.cxDestroyWithActiveRq.inc();
      (local ? stats.cxDestroyLocalWithActiveRq : stats.cxDestroyRemoteWithActiveRq).inc();
    }
    stats.cxLengthMs.record(clock.now() - start);
    stats.rqPerCx.record(requests);
    this.host.connectionClosed();
    this.#total--;
    breakers.release("connections", this.priority);
  }

  /** Opens connections for requests that none is being opened for. */
  serveWaiting(): void {
    if (this.#waiting.size > 0) this.#openConnections();
  }

  #wait(callbacks: PoolCallbacks): PoolRequest {
    const { breakers, stats } = this.context;
    if (!breakers.tryAcquire("pending", this.priority)) {
      stats.rqPendingOverflow.inc();
      callbacks.onPoolFailure("overflow", "");
      return GRANTED;
    }
    const request = new WaitingRequest(callbacks, this.#onCancel);
    this.#waiting.add(request);
    this.host.requestQueued();
    stats.rqPendingTotal.inc();
    stats.rqPendingActive.inc();
    this.#openConnections();
    return request;
  }

  #cancel(request: WaitingRequest): void {
    this.#take(request);
    this.context.stats.rqCancelled.inc();
  }

  #take(request: WaitingRequest): void {
    this.#waiting.remove(request);
    this.host.requestUnqueued();
    this.context.breakers.release("pending", this.priority);
    this.context.stats.rqPendingActive.dec();
  }

  #openConnections(): void {
    const { breakers, stats } = this.context;
    while (this.#waiting.size > this.#opening.size * this.#capacity) {
      if (!breakers.tryAcquire("connections", this.priority)) {
        stats.cxOverflow.inc();
        // A pool without any connection opens one over the limit: nothing else would ever serve its requests.
        if (this.#total > 0) return;
        breakers.acquire("connections", this.priority);
      }
      this.#total++;
      this.#opening.add(new OpeningConnection(this));
    }
  }
}

function capacity({ maxRequestsPerConnection: most, http2 }: ConnectionSettings, isHttp2: boolean): number {
  const streams = isHttp2 ? http2.maxConcurrentStreams : 1;
  return most > 0 ? Math.min(most, streams) : streams;
}
