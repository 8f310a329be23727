import { create, encode, packNew, type MessageOf } from "../../../proto/registry.ts";
import type { AsyncClient, Cluster, Clusters, Host, PoolRequest } from "../../api.ts";
import { createAsyncClient } from "../../async-client.ts";
import { BREAKER_WORDS, HOST_WORDS, type HostSpec } from "../../link.ts";
import { joinAddress } from "../hosts/load-assignment.ts";
import { HTTP_PROTOCOL_OPTIONS } from "../upstream-protocols.ts";
import { WorkerClusters, type WorkerClustersOptions } from "../worker-clusters.ts";

type ClusterMessage = MessageOf<"envoy.config.cluster.v3.Cluster">;

/** How the hosts of a cluster are asked. */
export interface ProbeTarget {
  readonly http2: boolean;
  readonly reuseConnection: boolean;
  /** 0 = the hosts' own. */
  readonly altPort: number;
}

/** Health checks are not subject to the limits of requests. */
const NO_LIMIT = 1_000_000;
/** All clusters count under one name, which nobody reads. */
const STAT_NAME = "health_check";

/**
 * The clusters whose hosts are checked, made anew with connections of their own, secured as the cluster's. Each host is
 * reached by a name of its own, and checks count in no cluster's stats.
 */
export class ProbeClusters implements Clusters {
  readonly calls: AsyncClient;
  readonly #all: WorkerClusters;
  readonly #hosts = new Map<string, Cluster>();

  constructor(options: Pick<WorkerClustersOptions, "factory" | "policies" | "transportSockets">) {
    this.#all = new WorkerClusters({
      ...options,
      breakers: new SharedArrayBuffer(BREAKER_WORDS * 4),
      hostStates: new SharedArrayBuffer(HOST_WORDS * 4),
    });
    this.calls = createAsyncClient({ ...options.factory, clusters: this });
  }

  /** Takes over a cluster for one kind of check, by a name of the caller's. */
  setCluster(name: string, cluster: ClusterMessage, target: ProbeTarget): void {
    const message = create("envoy.config.cluster.v3.Cluster", {
      name,
      altStatName: STAT_NAME,
      circuitBreakers: {
        thresholds: [{ maxConnections: NO_LIMIT, maxPendingRequests: NO_LIMIT, maxRequests: NO_LIMIT }],
      },
      transportSocketMatches: cluster.transportSocketMatches,
      typedExtensionProtocolOptions: {
        [HTTP_PROTOCOL_OPTIONS]: packNew(HTTP_PROTOCOL_OPTIONS, {
          commonHttpProtocolOptions: target.reuseConnection ? {} : { maxRequestsPerConnection: 1 },
          upstreamProtocolOptions: {
            case: "explicitHttpConfig",
            value: {
              protocolConfig: target.http2
                ? { case: "http2ProtocolOptions", value: {} }
                : { case: "httpProtocolOptions", value: {} },
            },
          },
        }),
      },
      ...(cluster.connectTimeout !== undefined && { connectTimeout: cluster.connectTimeout }),
      ...(cluster.transportSocket !== undefined && { transportSocket: cluster.transportSocket }),
      ...(cluster.upstreamConnectionOptions !== undefined && {
        upstreamConnectionOptions: cluster.upstreamConnectionOptions,
      }),
    });
    const bytes = encode("envoy.config.cluster.v3.Cluster", message);
    this.#all.apply({ kind: "cluster", name, bytes, breakerSlot: 0 });
  }

  /** The hosts of a cluster now. Returns the name of each, in their order. */
  setHosts(name: string, hosts: readonly HostSpec[], target: ProbeTarget): string[] {
    this.#forget(name);
    const places = hosts.map((host) => probed(host, target.altPort));
    this.#all.apply({ kind: "hosts", cluster: name, hosts: places, overprovisioning: 140 });
    return places.map((place, i) => {
      const key = `${name} ${hosts[i]!.priority} ${hosts[i]!.address}`;
      this.#hosts.set(key, new OneHost(this.#all, name, place));
      return key;
    });
  }

  removeCluster(name: string): void {
    this.#forget(name);
    this.#all.apply({ kind: "remove-cluster", name });
  }

  get(name: string): Cluster | undefined {
    return this.#hosts.get(name);
  }

  close(): void {
    this.#all.close();
  }

  #forget(name: string): void {
    for (const key of this.#hosts.keys()) if (key.startsWith(`${name} `)) this.#hosts.delete(key);
  }
}

/** A cluster as if it had one host only. */
class OneHost implements Cluster {
  readonly name: string;
  readonly #clusters: WorkerClusters;
  readonly #place: HostSpec;

  constructor(clusters: WorkerClusters, name: string, place: HostSpec) {
    this.#clusters = clusters;
    this.name = name;
    this.#place = place;
  }

  get observabilityName(): string {
    return STAT_NAME;
  }

  get stats(): Cluster["stats"] {
    return this.#whole.stats;
  }

  get metadata(): undefined {
    return undefined;
  }

  get bufferLimit(): number {
    return this.#whole.bufferLimit;
  }

  get maxStreamDuration(): undefined {
    return undefined;
  }

  pick(): Host | undefined {
    return this.#whole.find(this.#place.priority, this.#place.address);
  }

  tryAcquire(...of: Parameters<Cluster["tryAcquire"]>): boolean {
    return this.#whole.tryAcquire(...of);
  }

  release(...of: Parameters<Cluster["release"]>): void {
    this.#whole.release(...of);
  }

  openStream(...of: Parameters<Cluster["openStream"]>): PoolRequest {
    return this.#whole.openStream(...of);
  }

  connect(...of: Parameters<Cluster["connect"]>): PoolRequest {
    return this.#whole.connect(...of);
  }

  get #whole() {
    return this.#clusters.get(this.name)!;
  }
}

/** Where a host is asked. */
function probed(host: HostSpec, altPort: number): HostSpec {
  const { healthCheck } = host;
  const ip = healthCheck?.ip || host.ip;
  const port = healthCheck?.port || altPort || host.port;
  const place = ip === "" ? {} : { ip, port, address: joinAddress(ip, port) };
  return { ...host, ...place, slot: 0, health: "healthy" };
}
