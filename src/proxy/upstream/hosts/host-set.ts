import type { Host, LoadBalancer, PickContext } from "../../api.ts";
import type { UpstreamHost } from "./host.ts";
import { ZoneBalancer, type ZoneOptions } from "../balancing/zone-balancer.ts";
import { LocalityBalancer } from "../balancing/locality-balancer.ts";

/** Makes a balancer of the cluster's policy over some hosts. */
export type BalancerFactory = (hosts: readonly Host[]) => LoadBalancer;

/** Which hosts of a priority to choose from. */
export type HostSource = "all" | "healthy" | "degraded";

export interface HostSetOptions {
  readonly balancer: BalancerFactory;
  readonly localityWeighted: boolean;
  /** Zone-aware routing among the fit hosts; undefined = none. */
  readonly zones: ZoneOptions | undefined;
  /** Percent; see `priorityLoads`. */
  readonly overprovisioning: number;
  random(): number;
}

/** The hosts of one priority at one time, and their balancers, which are made at the first pick. */
export class HostSet {
  readonly hosts: readonly UpstreamHost[];
  readonly healthy: readonly UpstreamHost[];
  readonly degraded: readonly UpstreamHost[];
  readonly #options: HostSetOptions;
  #all: LoadBalancer | undefined;
  #ofHealthy: LoadBalancer | undefined;
  #ofDegraded: LoadBalancer | undefined;

  constructor(hosts: readonly UpstreamHost[], options: HostSetOptions) {
    this.hosts = hosts;
    this.healthy = hosts.filter((host) => host.healthy);
    this.degraded = hosts.filter((host) => host.degraded);
    this.#options = options;
  }

  pick(source: HostSource, context: PickContext): Host | undefined {
    if (source === "healthy") {
      this.#ofHealthy ??= this.#balancer(this.healthy, this.#options.zones);
      return this.#ofHealthy.pick(context);
    }
    if (source === "degraded") {
      this.#ofDegraded ??= this.#balancer(this.degraded);
      return this.#ofDegraded.pick(context);
    }
    this.#all ??= this.#options.balancer(this.hosts);
    return this.#all.pick(context);
  }

  #balancer(eligible: readonly UpstreamHost[], zones?: ZoneOptions): LoadBalancer {
    const options = this.#options;
    const weighted = options.localityWeighted
      ? LocalityBalancer.create(this.hosts, eligible, options)
      : undefined;
    if (weighted !== undefined) return weighted;
    return zones === undefined
      ? options.balancer(eligible)
      : ZoneBalancer.create(eligible, this.hosts, zones, options);
  }
}
