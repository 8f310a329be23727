import { decode } from "../../proto/registry.ts";
import type { AsyncClient, Clusters, FactoryContext, LbPolicyDef, TransportSocketDef } from "../api.ts";
import { createAsyncClient } from "../async-client.ts";
import type { Gauge } from "../../stats/stat-store.ts";
import type { HostSpec, ToWorker, WorkerInit } from "../link.ts";
import { WorkerCluster, type ClusterContext } from "./cluster.ts";
import type { Home } from "./balancing/home-cluster.ts";
import { SharedCounts } from "./shared-counts.ts";

/** What a thread gives its clusters. */
export interface WorkerClustersOptions {
  /** The thread's context; its `clusters` and `calls` are these. */
  readonly factory: Omit<FactoryContext, "clusters" | "calls">;
  /** Policies of the manifest. */
  readonly policies: readonly LbPolicyDef[];
  /** Transport sockets of the manifest. */
  readonly transportSockets?: readonly TransportSocketDef[];
  /** Where this proxy stands, if that matters. */
  readonly home?: Home | undefined;
  readonly breakers: SharedArrayBuffer;
  readonly hostStates: SharedArrayBuffer;
  readonly onOutlier?: ClusterContext["onOutlier"];
  /** This thread's part of both; see SharedCounts. */
  readonly own?: WorkerInit["own"];
}

interface Entry {
  bytes: Uint8Array | undefined;
  breakerSlot: number;
  hosts: readonly HostSpec[];
  overprovisioning: number;
  /** Made at the first `get`. */
  cluster: WorkerCluster | undefined;
}

/** The clusters of one thread. One that is never asked for costs no more than its bytes. */
export class WorkerClusters implements Clusters {
  /** Requests of the proxy's own over these clusters. */
  readonly calls: AsyncClient;
  readonly #entries = new Map<string, Entry>();
  readonly #context: ClusterContext;
  readonly #inflated: Gauge;

  constructor(options: WorkerClustersOptions) {
    const { stats, workerIndex } = options.factory;
    const thread = workerIndex < 0 ? "main_thread" : `worker_${workerIndex}`;
    this.#inflated = stats.gauge(`thread_local_cluster_manager.${thread}.clusters_inflated`);
    this.calls = createAsyncClient({ ...options.factory, clusters: this });
    this.#context = {
      factory: { ...options.factory, clusters: this, calls: this.calls },
      policies: options.policies,
      transportSockets: options.transportSockets ?? [],
      home: options.home,
      breakers: new SharedCounts(options.breakers, options.own?.breakers),
      hostStates: new SharedCounts(options.hostStates, options.own?.hostStates),
      onOutlier: options.onOutlier ?? (() => {}),
    };
  }

  get(name: string): WorkerCluster | undefined {
    const entry = this.#entries.get(name);
    return entry === undefined ? undefined : (entry.cluster ?? this.#inflate(entry));
  }

  /** Takes in messages about clusters and their hosts; others are disregarded. */
  apply(message: ToWorker): void {
    switch (message.kind) {
      case "cluster":
        this.#setCluster(message.name, message.bytes, message.breakerSlot);
        break;
      case "hosts": {
        const entry = this.#entry(message.cluster);
        entry.hosts = message.hosts;
        entry.overprovisioning = message.overprovisioning;
        entry.cluster?.updateHosts(message);
        this.#homeChanged(message.cluster);
        break;
      }
      case "host-health":
        this.#entries.get(message.cluster)?.cluster?.onHealth();
        this.#homeChanged(message.cluster);
        break;
      case "remove-cluster":
        this.#deflate(this.#entries.get(message.name));
        this.#entries.delete(message.name);
        break;
      default:
    }
  }

  /** Forgets all clusters. Idle connections close now, busy ones after their last request. */
  close(): void {
    for (const entry of this.#entries.values()) this.#deflate(entry);
    this.#entries.clear();
  }

  /** What the other clusters do by zones depends on the local one. */
  #homeChanged(name: string): void {
    if (name !== this.#context.home?.cluster) return;
    for (const { cluster } of this.#entries.values()) if (cluster?.name !== name) cluster?.refreshHealth();
  }

  #setCluster(name: string, bytes: Uint8Array, breakerSlot: number): void {
    const entry = this.#entry(name);
    const moved = entry.breakerSlot !== breakerSlot;
    entry.bytes = bytes;
    entry.breakerSlot = breakerSlot;
    if (entry.cluster === undefined) return;
    if (moved) this.#deflate(entry);
    else entry.cluster.updateConfig(decode("envoy.config.cluster.v3.Cluster", bytes));
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = {
        bytes: undefined,
        breakerSlot: -1,
        hosts: [],
        overprovisioning: 140,
        cluster: undefined,
      };
      this.#entries.set(name, entry);
    }
    return entry;
  }

  #deflate(entry: Entry | undefined): void {
    if (entry?.cluster === undefined) return;
    entry.cluster.drain();
    entry.cluster = undefined;
    this.#inflated.dec();
  }

  #inflate(entry: Entry): WorkerCluster | undefined {
    if (entry.bytes === undefined) return undefined;
    const message = decode("envoy.config.cluster.v3.Cluster", entry.bytes);
    const cluster = new WorkerCluster(message, entry.breakerSlot, this.#context);
    cluster.updateHosts(entry);
    entry.cluster = cluster;
    this.#inflated.inc();
    return cluster;
  }
}
