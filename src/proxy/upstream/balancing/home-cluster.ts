import type { UpstreamHost } from "../hosts/host.ts";
import { groupByLocality } from "./localities.ts";

/** Where this proxy stands: the key of its locality, and the cluster of proxies like it (cluster_manager.local_cluster_name). */
export interface Home {
  readonly cluster: string;
  readonly locality: string;
}

/** How the proxies of the local cluster are spread over localities. */
export class HomeCluster {
  /** Fit proxies by locality. */
  readonly healthy: ReadonlyMap<string, number>;
  readonly localities: number;
  readonly healthyCount: number;
  /** Percent of proxies that are available. */
  readonly availability: number;
  readonly #all: ReadonlyMap<string, readonly UpstreamHost[]>;

  constructor(hosts: readonly UpstreamHost[]) {
    this.#all = groupByLocality(hosts);
    this.localities = this.#all.size;
    const fit = hosts.filter((host) => host.healthy);
    this.healthy = new Map([...groupByLocality(fit)].map(([key, { length }]) => [key, length]));
    this.healthyCount = fit.length;
    const available = hosts.filter((host) => host.healthy || host.degraded).length;
    this.availability = hosts.length === 0 ? 0 : (100 * available) / hosts.length;
  }

  /** Whether some proxy of the cluster, fit or not, is in the locality. */
  has(locality: string): boolean {
    return this.#all.has(locality);
  }
}
