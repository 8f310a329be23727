import type { StatScope } from "../../stats/stat-store.ts";
import type {
  ClientConnector,
  Cluster,
  ConnectCallbacks,
  ConnectionInfo,
  FactoryContext,
  Host,
  LbPolicyDef,
  LimitedResource,
  PickContext,
  PoolCallbacks,
  PoolRequest,
  RoutingPriority,
  TransportSocketDef,
} from "../api.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { HostSpec } from "../link.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { Breakers } from "./breakers.ts";
import { requestServerName } from "./auto-name.ts";
import { clusterSettings, type ClusterSettings } from "./cluster-settings.ts";
import { ClusterStats, clusterStatPrefix } from "./cluster-stats.ts";
import { ClusterTransports } from "./cluster-transports.ts";
import { ConnectionPool } from "./pool/connection-pool.ts";
import type { BalancerFactory } from "./hosts/host-set.ts";
import { UpstreamHost } from "./hosts/host.ts";
import { chooseLbPolicy, type LbChoice } from "./balancing/lb-policy.ts";
import { HomeCluster, type Home } from "./balancing/home-cluster.ts";
import type { ZoneOptions } from "./balancing/zone-balancer.ts";
import { PriorityBalancer, type PriorityOptions } from "./balancing/priority-balancer.ts";
import { SubsetBalancer } from "./balancing/subset-balancer.ts";
import { TcpConnection } from "./pool/tcp-connection.ts";
import { discoveryType } from "./hosts/endpoint-source.ts";
import { OriginalDstHosts } from "./hosts/original-dst-hosts.ts";
import type { OnOutlier } from "./outlier/outlier-monitor.ts";
import type { ConsecutiveKind } from "./outlier/outlier-settings.ts";
import type { Pool, PoolContext } from "./pool/pool.ts";
import { alpnNames, type PoolProtocol } from "./upstream-protocols.ts";
import type { SharedCounts } from "./shared-counts.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];

/** What the clusters of one thread share. */
export interface ClusterContext {
  readonly factory: FactoryContext;
  readonly policies: readonly LbPolicyDef[];
  readonly transportSockets: readonly TransportSocketDef[];
  readonly breakers: SharedCounts;
  readonly hostStates: SharedCounts;
  readonly home: Home | undefined;
  /** So many requests to a host of a cluster failed in a row. */
  onOutlier(cluster: string, kind: ConsecutiveKind, slot: number): void;
}

/** Hosts of a cluster as they came from the main thread. */
export interface HostUpdate {
  readonly hosts: readonly HostSpec[];
  readonly overprovisioning: number;
}

/** A cluster that is in use by this thread. It stays the same object over updates. */
export class WorkerCluster implements Cluster {
  readonly name: string;
  readonly stats: StatScope;
  readonly #context: ClusterContext;
  readonly #handles: ClusterStats;
  readonly #breakers: Breakers;
  readonly #poolContext: PoolContext;
  #settings: ClusterSettings;
  #transports: ClusterTransports;
  #policy: LbChoice;
  #balancerOf: BalancerFactory;
  /** Hosts by priority and address. */
  #hosts = new Map<string, UpstreamHost>();
  #balancer: PriorityBalancer | SubsetBalancer | undefined;
  #overprovisioning = 140;
  #homeCluster: HomeCluster | undefined;
  /** Connections tell hosts of the client that they are for. */
  #perClient = false;
  /** Hosts of an ORIGINAL_DST cluster, which has no others. */
  #originalDst: OriginalDstHosts | undefined;
  readonly #onOutlier: OnOutlier = (kind, slot) => this.#context.onOutlier(this.name, kind, slot);

  constructor(message: ClusterMessage, breakerSlot: number, context: ClusterContext) {
    const settings = clusterSettings(message);
    const { factory } = context;
    this.name = message.name;
    this.#context = context;
    this.#settings = settings;
    this.stats = factory.stats.scope(clusterStatPrefix(settings.observabilityName));
    this.#handles = new ClusterStats(this.stats);
    this.#breakers = new Breakers(context.breakers, breakerSlot, settings.limits);
    const { clock, wheel, net } = factory;
    this.#poolContext = { clock, wheel, net, stats: this.#handles, breakers: this.#breakers };
    this.#transports = this.#createTransports(message);
    this.#perClient = this.#transports.perClient;
    this.#originalDst = this.#createOriginalDst(message);
    this.#policy = chooseLbPolicy(message, context.policies);
    this.#balancerOf = this.#policy.create(factory);
  }

  get observabilityName(): string {
    return this.#settings.observabilityName;
  }

  get metadata(): Cluster["metadata"] {
    return this.#settings.metadata;
  }

  get bufferLimit(): number {
    return this.#settings.connection.bufferLimit;
  }

  get maxStreamDuration(): number | undefined {
    return this.#settings.maxStreamDuration;
  }

  pick(context: PickContext, downstream?: ConnectionInfo): Host | undefined {
    if (this.#originalDst !== undefined) {
      const host = this.#originalDst.pick(context, downstream);
      if (host === undefined) this.#handles.cxNoneHealthy.inc();
      return host;
    }
    let host = this.#balancer?.pick(context);
    for (let i = 0; i < context.maxReselections && host !== undefined; i++) {
      if (!context.tried.includes(host)) return host;
      host = this.#balancer?.pick(context);
    }
    if (host === undefined) this.#handles.cxNoneHealthy.inc();
    return host;
  }

  /** A host by its address. */
  find(priority: number, address: string): Host | undefined {
    return this.#hosts.get(`${priority} ${address}`);
  }

  tryAcquire(resource: LimitedResource, priority: RoutingPriority): boolean {
    if (this.#breakers.tryAcquire(resource, priority)) return true;
    if (resource === "requests") this.#handles.rqActiveOverflow.inc();
    else if (resource === "connections") this.#handles.cxOverflow.inc();
    return false;
  }

  release(resource: LimitedResource, priority: RoutingPriority): void {
    this.#breakers.release(resource, priority);
  }

  openStream(
    host: Host,
    priority: RoutingPriority,
    callbacks: PoolCallbacks,
    headers?: HeaderMap,
    downstreamProtocol = "",
    client?: ConnectionInfo,
  ): PoolRequest {
    const upstream = host as UpstreamHost;
    if (this.#perClient)
      return this.#openForClient(upstream, priority, callbacks, downstreamProtocol, client);
    const { autoName, connection } = this.#settings;
    if (autoName !== undefined || connection.protocol === "downstream") {
      const name =
        autoName !== undefined && headers !== undefined ? requestServerName(headers, autoName) : "";
      return this.#poolFor(upstream, priority, name, downstreamProtocol).openStream(callbacks);
    }
    const pool = upstream.pools[priority] ?? this.#createPool(upstream, priority);
    return pool.openStream(callbacks);
  }

  connect(host: Host, callbacks: ConnectCallbacks, client?: ConnectionInfo): PoolRequest {
    const upstream = host as UpstreamHost;
    if (this.#perClient) upstream.connector = undefined;
    const { connection: settings } = this.#settings;
    const options = {
      host: upstream,
      settings,
      context: this.#poolContext,
      connector: (upstream.connector ??= this.#connector(upstream, "", undefined, client)),
    };
    return TcpConnection.open(options, callbacks);
  }

  /** Takes over a new configuration. Pools stay unless what shapes connections changed. */
  updateConfig(message: ClusterMessage): void {
    const settings = clusterSettings(message);
    const policy = chooseLbPolicy(message, this.#context.policies);
    const sameConnections = settings.connectionSignature === this.#settings.connectionSignature;
    this.#settings = settings;
    this.#originalDst?.close();
    this.#originalDst = this.#createOriginalDst(message);
    this.#breakers.limits = settings.limits;
    this.#policy = policy;
    this.#balancerOf = policy.create(this.#context.factory);
    for (const host of this.#hosts.values()) host.watch(settings.outlier, this.#onOutlier);
    if (!sameConnections) {
      this.#transports.close();
      this.#transports = this.#createTransports(message);
      this.#perClient = this.#transports.perClient;
      for (const host of this.#hosts.values()) host.drainPools();
    }
    this.refreshHealth();
  }

  /** Takes over a new list of hosts. Hosts that stay keep their pools, those that go are drained. */
  updateHosts(update: HostUpdate): void {
    const { factory, hostStates } = this.#context;
    const hosts = new Map<string, UpstreamHost>();
    for (const spec of update.hosts) {
      const key = `${spec.priority} ${spec.address}`;
      const known = this.#hosts.get(key);
      if (known !== undefined && known.slot === spec.slot) {
        // Metadata may choose the transport socket.
        if (known.update(spec) && this.#transports.byMetadata) known.drainPools();
        hosts.set(key, known);
      } else {
        const host = new UpstreamHost(spec, hostStates, factory.clock.now());
        host.watch(this.#settings.outlier, this.#onOutlier);
        hosts.set(key, host);
      }
    }
    for (const [key, host] of this.#hosts) {
      if (hosts.get(key) === host) continue;
      host.removed = true;
      host.drainPools();
    }
    this.#hosts = hosts;
    this.#overprovisioning = update.overprovisioning;
    this.refreshHealth();
  }

  /** Some hosts failed, or are fit again. What is open to one that failed is used no more (as in Envoy). */
  onHealth(): void {
    const now = this.#context.factory.clock.now();
    for (const host of this.#hosts.values()) host.onHealth(now);
    this.refreshHealth();
  }

  /** Sorts hosts by their health anew and shares out the load. */
  refreshHealth(): void {
    const { factory } = this.#context;
    const { localityWeighted, failTrafficOnPanic } = this.#policy;
    this.#homeCluster = undefined;
    const { subsets, panicThreshold } = this.#settings;
    const options: PriorityOptions = {
      balancer: this.#balancerOf,
      localityWeighted,
      zones: this.#zoneOptions(),
      overprovisioning: this.#overprovisioning,
      random: factory.random,
      panicThreshold,
      failTrafficOnPanic,
      inPanic: this.#handles.lbHealthyPanic,
    };
    const hosts = this.#hosts.values();
    const before = this.#balancer instanceof SubsetBalancer ? this.#balancer : undefined;
    if (subsets === undefined) {
      before?.close();
      this.#balancer = new PriorityBalancer(hosts, options);
      return;
    }
    const ofSubset = { ...options, localityWeighted: localityWeighted && subsets.localityWeightAware };
    const balancerOf = (some: readonly UpstreamHost[]) => new PriorityBalancer(some, ofSubset);
    this.#balancer = new SubsetBalancer(subsets, hosts, balancerOf, this.stats, before);
  }

  /** How its hosts are spread: asked of the cluster that the proxy itself belongs to. */
  get homeCluster(): HomeCluster {
    return (this.#homeCluster ??= new HomeCluster([...this.#hosts.values()]));
  }

  /** The cluster is gone: what is in flight finishes. */
  drain(): void {
    this.updateHosts({ hosts: [], overprovisioning: this.#overprovisioning });
    this.#originalDst?.close();
    this.#transports.close();
  }

  #zoneOptions(): ZoneOptions | undefined {
    const { factory, home } = this.#context;
    const { zones, failTrafficOnPanic } = this.#policy;
    if (home === undefined || zones === undefined || home.cluster === this.name) return undefined;
    const local = factory.clusters.get(home.cluster) as WorkerCluster | undefined;
    if (local === undefined) return undefined;
    this.stats.counter("lb_recalculate_zone_structures").inc();
    return {
      ...zones,
      locality: home.locality,
      home: local.homeCluster,
      runtime: factory.runtime,
      panicThreshold: this.#settings.panicThreshold,
      failTrafficOnPanic,
      stats: this.stats,
    };
  }

  #createOriginalDst(message: ClusterMessage): OriginalDstHosts | undefined {
    if (discoveryType(message) !== "ORIGINAL_DST") return undefined;
    return new OriginalDstHosts(message, this.#context.factory.wheel, this.stats);
  }

  #createTransports(message: ClusterMessage): ClusterTransports {
    const { factory, transportSockets } = this.#context;
    return new ClusterTransports(message, { transportSockets }, { ...factory, scope: this.stats });
  }

  /** The pool for what a request asks for, in clusters where that matters. */
  #poolFor(host: UpstreamHost, priority: RoutingPriority, name: string, downstreamProtocol: string): Pool {
    const { protocol: choice } = this.#settings.connection;
    const http2 = choice === "downstream" && downstreamProtocol === "HTTP/2";
    const protocol = choice === "downstream" ? (http2 ? "http2" : "http1") : choice;
    const key = `${priority} ${protocol} ${name}`;
    let pool = host.specialPools?.get(key);
    if (pool === undefined) {
      pool = this.#newPool(host, priority, protocol, name);
      if (host.removed) pool.drain();
      else (host.specialPools ??= new Map()).set(key, pool);
    }
    return pool;
  }

  /** A stream on a connection that tells of the client, which no other request can use. */
  #openForClient(
    host: UpstreamHost,
    priority: RoutingPriority,
    callbacks: PoolCallbacks,
    downstreamProtocol: string,
    client: ConnectionInfo | undefined,
  ): PoolRequest {
    const { protocol: choice } = this.#settings.connection;
    const protocol = choice === "downstream" ? (downstreamProtocol === "HTTP/2" ? "http2" : "http1") : choice;
    const pool = this.#newPool(host, priority, protocol, "", client);
    const request = pool.openStream(callbacks);
    pool.drain();
    return request;
  }

  #createPool(host: UpstreamHost, priority: RoutingPriority): Pool {
    const pool = this.#newPool(host, priority, this.#settings.connection.protocol as PoolProtocol, "");
    if (host.removed) pool.drain();
    else host.pools[priority] = pool;
    return pool;
  }

  #newPool(
    host: UpstreamHost,
    priority: RoutingPriority,
    protocol: PoolProtocol,
    serverName: string,
    client?: ConnectionInfo,
  ): Pool {
    const connector = this.#connector(host, serverName, alpnNames(protocol), client);
    return new ConnectionPool({
      host,
      priority,
      protocol,
      settings: this.#settings.connection,
      context: this.#poolContext,
      connector,
    });
  }

  /** How connections to a host are secured; undefined = plaintext. */
  #connector(
    host: UpstreamHost,
    serverName: string,
    protocols: readonly string[] | undefined,
    client: ConnectionInfo | undefined,
  ): ClientConnector | undefined {
    const { autoName } = this.#settings;
    return this.#transports.forHost(host)?.connector({
      hostname: host.hostname,
      serverName: serverName !== "" && autoName!.sni ? serverName : undefined,
      validName: serverName !== "" && autoName!.san ? serverName : undefined,
      protocols,
      client,
    });
  }
}
