import { systemClock, type Clock } from "../base/clock.ts";
import { TimerWheel } from "../base/timer-wheel.ts";
import { lbPolicies } from "../extensions/lb/index.ts";
import { transportSockets } from "../extensions/transport-socket/index.ts";
import { NetContext } from "../net/net-context.ts";
import { create, encode, packNew, type MessageInit } from "../proto/registry.ts";
import type { FactoryContext, Logger } from "../proxy/api.ts";
import { BREAKER_WORDS, HOST_WORDS, type HostSpec } from "../proxy/link.ts";
import { NO_SECRETS } from "../proxy/secrets.ts";
import type { Home } from "../proxy/upstream/balancing/home-cluster.ts";
import { WorkerClusters } from "../proxy/upstream/worker-clusters.ts";
import { MergedStats } from "../stats/merged-stats.ts";
import { StatStore } from "../stats/stat-store.ts";

const silent: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Settings of `TestClusters`. */
export interface TestClustersOptions {
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Where the proxy stands. */
  readonly home?: Home;
}

/** A worker's clusters with everything around them, and short ways to fill and inspect them. */
export class TestClusters {
  readonly merged = new MergedStats();
  readonly stats: StatStore = new StatStore((update) => this.merged.update("worker", update));
  readonly breakers: SharedArrayBuffer = new SharedArrayBuffer(16 * BREAKER_WORDS * 4);
  readonly hostStates: SharedArrayBuffer = new SharedArrayBuffer(1024 * HOST_WORDS * 4);
  readonly net = new NetContext();
  readonly clusters: WorkerClusters;
  readonly factory: FactoryContext;
  #slots = 0;
  readonly #breakerSlots = new Map<string, number>();

  constructor(options: TestClustersOptions = {}) {
    const clock = options.clock ?? systemClock;
    const factory = {
      clock,
      wheel: new TimerWheel(clock),
      net: this.net,
      stats: this.stats,
      secrets: NO_SECRETS,
      runtime: {
        number: (_key: string, fallback: number) => fallback,
        fraction: (_key: string, numerator: number, denominator: number) =>
          (options.random ?? Math.random)() * denominator < numerator,
      },
      logger: () => silent,
      random: options.random ?? Math.random,
      node: { id: "test", cluster: "test", zone: "" },
      workerIndex: 0,
      localIp: "127.0.0.1",
    };
    this.clusters = new WorkerClusters({
      factory,
      policies: lbPolicies,
      transportSockets,
      breakers: this.breakers,
      hostStates: this.hostStates,
      home: options.home,
    });
    this.factory = { ...factory, clusters: this.clusters, calls: this.clusters.calls };
  }

  /** Adds or updates a cluster, as the main thread would. */
  cluster(name: string, init: MessageInit<"envoy.config.cluster.v3.Cluster"> = {}): void {
    let breakerSlot = this.#breakerSlots.get(name);
    if (breakerSlot === undefined) this.#breakerSlots.set(name, (breakerSlot = this.#breakerSlots.size));
    const message = create("envoy.config.cluster.v3.Cluster", { ...init, name });
    const bytes = encode("envoy.config.cluster.v3.Cluster", message);
    this.clusters.apply({ kind: "cluster", name, bytes, breakerSlot });
  }

  /** A cluster of one host on 127.0.0.1 that speaks HTTP/2. */
  http2(name: string, port: number): void {
    const options = packNew("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", {
      upstreamProtocolOptions: {
        case: "explicitHttpConfig",
        value: { protocolConfig: { case: "http2ProtocolOptions", value: {} } },
      },
    });
    this.cluster(name, {
      typedExtensionProtocolOptions: { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options },
    });
    this.hosts(name, [this.host(port)]);
  }

  /** Closes all connections. */
  close(): void {
    this.clusters.close();
  }

  /** Sets a cluster's hosts. */
  hosts(cluster: string, hosts: readonly HostSpec[], overprovisioning = 140): void {
    this.clusters.apply({ kind: "hosts", cluster, hosts, overprovisioning });
  }

  /** A host with a state slot of its own; 127.0.0.1 unless told otherwise. */
  host(port: number, fields: Partial<HostSpec> = {}): HostSpec {
    return {
      slot: this.#slots++,
      address: `127.0.0.1:${port}`,
      ip: "127.0.0.1",
      port,
      hostname: "",
      weight: 1,
      priority: 0,
      region: "",
      zone: "",
      subZone: "",
      localityWeight: 0,
      health: "healthy",
      metadata: undefined,
      ...fields,
    };
  }

  /** Counters and gauges below "cluster.<name>.", without those that are 0. */
  counts(cluster: string): Record<string, number> {
    this.stats.flush();
    const { counters, gauges } = this.merged.snapshot();
    const prefix = `cluster.${cluster}.`;
    const found: Record<string, number> = {};
    for (const [name, value] of [...counters, ...gauges])
      if (value !== 0 && name.startsWith(prefix)) found[name.slice(prefix.length)] = value;
    return found;
  }
}
