import type { Counter, StatScope } from "../../../stats/stat-store.ts";
import type { Host, LoadBalancer, PickContext, Runtime } from "../../api.ts";
import type { BalancerFactory, HostSetOptions } from "../hosts/host-set.ts";
import type { UpstreamHost } from "../hosts/host.ts";
import type { HomeCluster } from "./home-cluster.ts";
import { groupByLocality } from "./localities.ts";

/** `zone_aware_lb_config` of a cluster; Envoy's defaults apply without one. */
export interface ZoneSettings {
  /** Percent of requests. */
  readonly routingEnabled: number;
  readonly minClusterSize: number;
}

/** What zone-aware routing needs to know. */
export interface ZoneOptions extends ZoneSettings {
  /** Key of this proxy's locality. */
  readonly locality: string;
  readonly home: HomeCluster;
  readonly runtime: Runtime;
  /** Percent; see `priorityLoads`. */
  readonly panicThreshold: number;
  readonly failTrafficOnPanic: boolean;
  readonly stats: StatScope;
}

const WHOLE = 10_000;

/**
 * Keeps requests in this proxy's zone as far as its share of hosts allows, and spreads the rest over zones with hosts to
 * spare, so that every host gets the same load (source/extensions/load_balancing_policies/common/load_balancer_impl.cc;
 * whole numbers and divisions are Envoy's).
 */
export class ZoneBalancer implements LoadBalancer {
  readonly #options: ZoneOptions;
  readonly #random: () => number;
  readonly #everybody: LoadBalancer;
  /** That of this zone first, if it has hosts. */
  readonly #zones: readonly LoadBalancer[];
  /** Of WHOLE requests so many stay in the zone. */
  readonly #staying: number;
  /** Capacity to spare in each zone, with that of the zones before it. */
  readonly #capacity: readonly number[];
  readonly #homeInPanic: boolean;
  readonly #allStay: Counter;
  readonly #stay: Counter;
  readonly #leave: Counter;
  readonly #nothingLeft: Counter;
  readonly #homeNotOk: Counter;

  /** A balancer over the fit hosts of the first priority; by zones, if that is possible. */
  static create(
    hosts: readonly UpstreamHost[],
    all: readonly UpstreamHost[],
    options: ZoneOptions,
    { balancer, random }: Pick<HostSetOptions, "balancer" | "random">,
  ): LoadBalancer {
    const { home, locality, stats, runtime } = options;
    // Localities of the cluster count even while nobody there is fit.
    if (hosts.length === 0 || groupByLocality(all).size < 2 || home.localities < 2) return balancer(hosts);
    if (!home.has(locality)) stats.counter("lb_local_cluster_not_ok").inc();
    else if (hosts.length < runtime.number("upstream.zone_routing.min_cluster_size", options.minClusterSize))
      stats.counter("lb_zone_cluster_too_small").inc();
    else return new ZoneBalancer(hosts, options, balancer, random);
    return balancer(hosts);
  }

  private constructor(
    hosts: readonly UpstreamHost[],
    options: ZoneOptions,
    balancer: BalancerFactory,
    random: () => number,
  ) {
    const { home, locality, stats } = options;
    const zones = groupByLocality(hosts);
    const own = zones.get(locality);
    zones.delete(locality);
    const shareOfProxies = (key: string): number =>
      home.healthyCount > 0 ? Math.floor((WHOLE * (home.healthy.get(key) ?? 0)) / home.healthyCount) : 0;
    const shareOfHosts = (some: readonly UpstreamHost[] = []): number =>
      hosts.length > 0 ? Math.floor((WHOLE * some.length) / hosts.length) : 0;
    const ownHosts = shareOfHosts(own);
    const ownProxies = shareOfProxies(locality);
    this.#staying =
      ownHosts > 0 && ownHosts >= ownProxies
        ? WHOLE
        : ownProxies > 0
          ? Math.floor((ownHosts * WHOLE) / ownProxies)
          : 0;
    let spare = 0;
    this.#capacity = [
      ...(own === undefined ? [] : [0]),
      ...[...zones].map(([key, some]) => (spare += Math.max(0, shareOfHosts(some) - shareOfProxies(key)))),
    ];
    this.#zones = [...(own === undefined ? [] : [own]), ...zones.values()].map(balancer);
    this.#everybody = balancer(hosts);
    this.#homeInPanic = home.availability < Math.min(100, options.panicThreshold);
    this.#options = options;
    this.#random = random;
    this.#allStay = stats.counter("lb_zone_routing_all_directly");
    this.#stay = stats.counter("lb_zone_routing_sampled");
    this.#leave = stats.counter("lb_zone_routing_cross_zone");
    this.#nothingLeft = stats.counter("lb_zone_no_capacity_left");
    this.#homeNotOk = stats.counter("lb_local_cluster_not_ok");
  }

  pick(context: PickContext): Host | undefined {
    const { runtime, routingEnabled, failTrafficOnPanic } = this.#options;
    if (!runtime.fraction("upstream.zone_routing.enabled", routingEnabled, 100))
      return this.#everybody.pick(context);
    if (this.#homeInPanic) {
      this.#homeNotOk.inc();
      return failTrafficOnPanic ? undefined : this.#everybody.pick(context);
    }
    return this.#zones[this.#zone()]!.pick(context);
  }

  #zone(): number {
    if (this.#staying === WHOLE) {
      this.#allStay.inc();
      return 0;
    }
    const random = this.#random;
    if (Math.floor(random() * WHOLE) < this.#staying) {
      this.#stay.inc();
      return 0;
    }
    this.#leave.inc();
    const capacity = this.#capacity;
    const total = capacity.at(-1)!;
    if (total === 0) {
      this.#nothingLeft.inc();
      return Math.floor(random() * capacity.length);
    }
    const point = Math.floor(random() * total);
    let zone = 0;
    while (point >= capacity[zone]!) zone++;
    return zone;
  }
}
