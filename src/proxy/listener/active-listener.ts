import type { Socket } from "node:net";
import type { Counter, Gauge, StatScope } from "../../stats/stat-store.ts";
import type { Histogram } from "../../stats/histogram.ts";
import { Connection, type ConnectionHandler } from "../../net/connection.ts";
import type { Clock } from "../../base/clock.ts";
import type { NetContext } from "../../net/net-context.ts";
import type { ConnectionInfo } from "../stream-info.ts";
import type { TlsInfo } from "../../net/tls/tls-info.ts";
import type { ListenerFacts, SocketEndpoint } from "../api.ts";
import { connectionInfo } from "./connection-info.ts";
import { NOTHING_FOUND } from "./filter-chain-match.ts";
import { Downstream } from "./downstream.ts";
import type { Chain, FilterChains } from "./filter-chains.ts";
import { inspect } from "./inspection.ts";
import { ListenSockets, type ListenSocketsOptions } from "./listen-sockets.ts";

export interface ActiveListenerOptions extends ListenSocketsOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly net: NetContext;
  readonly scope: StatScope;
  /** Most connections of this worker at a time; 0 = no limit. */
  limit(): number;
  /** The listener at an address, or at its port on all addresses. */
  find(address: SocketEndpoint): ActiveListener | undefined;
}

/** What an open connection belongs to: a chain, or, before one is found, a version of all chains. */
export type ConnectionOwner = Chain | FilterChains;

/** One listener in one worker. Its filter chains can be swapped without touching the sockets. */
export class ActiveListener {
  readonly name: string;
  readonly #options: ActiveListenerOptions;
  /** What it listens on. */
  readonly listening: ListenSockets;
  readonly #sockets = new Map<Socket, ConnectionOwner>();
  readonly #open = new Map<ConnectionOwner, number>();
  readonly #total: Counter;
  readonly #active: Gauge;
  readonly #destroyed: Counter;
  readonly #length: Histogram;
  readonly #workerTotal: Counter;
  readonly #workerActive: Gauge;
  readonly #noChain: Counter;
  readonly #inspecting: Gauge;
  readonly #inspectionTimeouts: Counter;
  readonly #overflow: Counter;
  readonly #remoteCloses: Counter;
  readonly #handshakeTimeouts: Counter;
  #chains: FilterChains;
  #onEmpty: ((owner: ConnectionOwner) => void) | undefined;

  constructor(chains: FilterChains, options: ActiveListenerOptions) {
    this.name = options.name;
    this.#chains = chains;
    this.#options = options;
    this.listening = new ListenSockets(options, (socket, path) => this.receive(socket, path));
    const scope = options.scope;
    this.#total = scope.counter("downstream_cx_total");
    this.#active = scope.gauge("downstream_cx_active");
    this.#destroyed = scope.counter("downstream_cx_destroy");
    this.#length = scope.histogram("downstream_cx_length_ms");
    this.#noChain = scope.counter("no_filter_chain_match");
    const worker = scope.scope(`worker_${options.workerIndex}.`);
    this.#workerTotal = worker.counter("downstream_cx_total");
    this.#workerActive = worker.gauge("downstream_cx_active");
    for (const name of IDLE_COUNTERS) scope.counter(name);
    this.#inspecting = scope.gauge("downstream_pre_cx_active");
    this.#inspectionTimeouts = scope.counter("downstream_pre_cx_timeout");
    this.#overflow = scope.counter("downstream_cx_overflow");
    this.#remoteCloses = scope.counter("downstream_listener_filter_remote_close");
    this.#handshakeTimeouts = scope.counter("downstream_cx_transport_socket_connect_timeout");
  }

  get chains(): FilterChains {
    return this.#chains;
  }

  /** New connections get these chains from now on. Returns the old ones, whose connections may still be open. */
  swap(chains: FilterChains): FilterChains {
    const old = this.#chains;
    this.#chains = chains;
    if (!this.#open.delete(old)) return old;
    // What is still being looked at will get one of the new chains.
    for (const [socket, owner] of this.#sockets) if (owner === old) this.#give(socket, chains);
    return old;
  }

  /** Number of open connections of this owner. */
  connectionsOf(owner: ConnectionOwner): number {
    return this.#open.get(owner) ?? 0;
  }

  /** Calls back each time the last connection of an owner is gone. */
  set onEmpty(callback: (owner: ConnectionOwner) => void) {
    this.#onEmpty = callback;
  }

  /** Cuts the connections of these owners. */
  destroyConnectionsOf(owners: ReadonlySet<ConnectionOwner>): void {
    for (const [socket, owner] of this.#sockets) if (owners.has(owner)) socket.destroy();
  }

  /**
   * Takes a connection.
   * @param path of the pipe that it came by; "" for IP addresses
   * @param restored where it wanted to go, when another listener hands it over
   */
  receive(socket: Socket, path: string, restored?: SocketEndpoint): void {
    const chains = this.#chains;
    const limit = this.#options.limit();
    if (limit > 0 && this.#sockets.size >= limit) {
      this.#overflow.inc();
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    this.#give(socket, chains);
    const gone = (): void => this.#gone(socket);
    socket.once("close", gone);
    if (chains.filters.length === 0) {
      const facts = restored === undefined ? NOTHING_FOUND : { ...NOTHING_FOUND, local: restored };
      return this.#start(socket, facts, path);
    }
    this.#inspecting.inc();
    const limits = { timeout: chains.filtersTimeout, clock: this.#options.clock };
    const facts: ListenerFacts = { ...NOTHING_FOUND, ...(restored !== undefined && { local: restored }) };
    inspect(socket, chains.filters, limits, facts, (end) => {
      this.#inspecting.dec();
      if (end === "timeout") this.#inspectionTimeouts.inc();
      else if (end === "remote-close") this.#remoteCloses.inc();
      if (end === "done" || (end === "timeout" && chains.continueOnTimeout)) {
        const other = restored === undefined && chains.handsOff ? this.#wanted(facts) : undefined;
        if (other === undefined) return this.#start(socket, facts, path);
        socket.off("close", gone);
        gone();
        return other.receive(socket, path, facts.local);
      }
      socket.on("error", () => {});
      // As the system does when bytes are left unread.
      if (socket.readableLength > 0) socket.resetAndDestroy();
      else socket.destroy();
    });
  }

  /** The listener that a redirected connection wanted. */
  #wanted({ local }: ListenerFacts): ActiveListener | undefined {
    const other = local === undefined ? undefined : this.#options.find(local);
    return other === this ? undefined : other;
  }

  #start(socket: Socket, facts: ListenerFacts, path: string): void {
    // They may have been updated while the first bytes were looked at.
    const chains = this.#chains;
    const info = connectionInfo(socket, this.name, facts, path);
    const chain = chains.find(info, facts);
    const accepted = this.#options.clock.now();
    if (chain === undefined) {
      this.#noChain.inc();
      chains.log?.refused(info, accepted);
      socket.on("error", () => {});
      socket.resetAndDestroy();
      return;
    }
    const version = this.#sockets.get(socket);
    this.#give(socket, chain);
    if (version !== undefined) this.#leave(version);
    this.#total.inc();
    this.#active.inc();
    this.#workerTotal.inc();
    this.#workerActive.inc();
    socket.once("close", () => {
      this.#active.dec();
      this.#workerActive.dec();
      this.#destroyed.inc();
      this.#length.record(this.#options.clock.now() - accepted);
    });
    const { transport } = chain;
    const known = {
      ...info,
      filterChainName: chain.name,
    };
    if (transport === undefined)
      return this.#serve(socket, chains, chain, known, undefined, socket, accepted);
    socket.on("error", () => {});
    transport.accept(socket, {
      onSecure: (secure, tls) => {
        const info = { ...known, tls: true, tlsInfo: tls };
        this.#serve(secure, chains, chain, info, tls, socket, accepted);
      },
      onFailure: (_reason, timedOut) => {
        if (timedOut) this.#handshakeTimeouts.inc();
        chains.log?.unsecured(known, accepted);
      },
    });
  }

  /** @param raw the accepted socket, which lies below `socket` when there is TLS */
  #serve(
    socket: Socket,
    chains: FilterChains,
    chain: Chain,
    info: ConnectionInfo,
    tls: TlsInfo | undefined,
    raw: Socket,
    accepted: number,
  ): void {
    const connection = Connection.accept(socket, this.#options.net, PENDING, raw);
    connection.tls = tls;
    const { clock } = this.#options;
    const downstream = new Downstream(connection, info, clock, accepted);
    connection.handler = chain.factory.accept(downstream);
    const { log } = chains;
    if (log !== undefined) raw.once("close", () => log.closed(downstream));
  }

  #give(socket: Socket, owner: ConnectionOwner): void {
    this.#sockets.set(socket, owner);
    this.#open.set(owner, this.connectionsOf(owner) + 1);
  }

  #gone(socket: Socket): void {
    const owner = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    if (owner !== undefined) this.#leave(owner);
  }

  #leave(owner: ConnectionOwner): void {
    const left = this.connectionsOf(owner) - 1;
    if (left > 0) this.#open.set(owner, left);
    else this.#open.delete(owner);
    if (left === 0) this.#onEmpty?.(owner);
  }
}

/** Counters that exist, at 0, from the start. */
const IDLE_COUNTERS = [
  "downstream_cx_overload_reject", "downstream_global_cx_overflow", "downstream_listener_filter_error",
  "extension_config_missing", "network_extension_config_missing",
] as const; // prettier-ignore

/** Until the filter chain has taken the connection over. */
const PENDING: ConnectionHandler = {
  onConnect() {},
  onBytes() {},
  onEnd() {},
  onDrain() {},
  onClose() {},
};
