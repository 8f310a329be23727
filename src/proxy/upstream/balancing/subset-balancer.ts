import type { Counter, StatScope } from "../../../stats/stat-store.ts";
import type { Host, LoadBalancer, PickContext } from "../../api.ts";
import { hostValues, MetadataMatch, type MetadataEntry } from "../../metadata-match.ts";
import type { UpstreamHost } from "../hosts/host.ts";
import type { SubsetConfig, SubsetFallback } from "./subset-config.ts";

/** Hosts of a subset, and who balances among them once somebody asks. */
class Subset {
  readonly hosts: UpstreamHost[] = [];
  balancer: LoadBalancer | undefined;
}

/**
 * Balances among the hosts whose metadata a route asks for: each list of keys in the configuration (a selector) makes a
 * subset of every combination of values that its hosts have (envoy.config.cluster.v3.Cluster.LbSubsetConfig).
 */
export class SubsetBalancer implements LoadBalancer {
  readonly #config: SubsetConfig;
  readonly #balancerOf: (hosts: readonly UpstreamHost[]) => LoadBalancer;
  readonly #stats: StatScope;
  readonly #selected: Counter;
  readonly #fellBack: Counter;
  readonly #fellBackInPanic: Counter;
  readonly #subsets = new Map<string, Subset>();
  /** What is left of a route's wish by a selector's fallback. */
  readonly #narrowed = new WeakMap<MetadataMatch, MetadataMatch>();
  readonly #all = new Subset();
  readonly #default = new Subset();

  /**
   * @param balancerOf balances among some of the hosts
   * @param predecessor the balancer over the hosts before, for stats
   */
  constructor(
    config: SubsetConfig,
    hosts: Iterable<UpstreamHost>,
    balancerOf: (hosts: readonly UpstreamHost[]) => LoadBalancer,
    stats: StatScope,
    predecessor?: SubsetBalancer,
  ) {
    this.#config = config;
    this.#balancerOf = balancerOf;
    this.#stats = stats;
    this.#selected = stats.counter("lb_subsets_selected");
    this.#fellBack = stats.counter("lb_subsets_fallback");
    this.#fellBackInPanic = stats.counter("lb_subsets_fallback_panic");
    for (const host of hosts) this.#add(host);
    this.#countChanges(predecessor);
  }

  pick(context: PickContext): Host | undefined {
    return this.#pick(context, context.metadataMatch);
  }

  /** The cluster goes by subsets no longer. */
  close(): void {
    this.#stats.counter("lb_subsets_removed").add(this.#subsets.size);
    this.#stats.gauge("lb_subsets_active").add(-this.#subsets.size);
  }

  #pick(context: PickContext, match: MetadataMatch | undefined): Host | undefined {
    if (match !== undefined) {
      const subset = this.#subsets.get(match.text);
      if (subset !== undefined) {
        this.#selected.inc();
        return this.#from(subset, context);
      }
      const own = this.#config.ownFallbacks.get(match.keys);
      if (typeof own === "string") return this.#fallBack(own, context);
      if (own !== undefined) return this.#pick(context, this.#narrow(match, own));
    }
    const host = this.#fallBack(this.#config.fallback, context);
    if (host !== undefined) {
      this.#fellBack.inc();
      return host;
    }
    if (!this.#config.panicModeAny) return undefined;
    const anybody = this.#from(this.#all, context);
    if (anybody !== undefined) this.#fellBackInPanic.inc();
    return anybody;
  }

  #narrow(match: MetadataMatch, keys: ReadonlySet<string>): MetadataMatch {
    let narrowed = this.#narrowed.get(match);
    if (narrowed === undefined) this.#narrowed.set(match, (narrowed = match.narrow(keys)));
    return narrowed;
  }

  #fallBack(fallback: SubsetFallback, context: PickContext): Host | undefined {
    if (fallback === "none") return undefined;
    return this.#from(fallback === "any" ? this.#all : this.#default, context);
  }

  #from(subset: Subset, context: PickContext): Host | undefined {
    return (subset.balancer ??= this.#balancerOf(subset.hosts)).pick(context);
  }

  #add(host: UpstreamHost): void {
    const { selectors, defaultSubset, listAsAny } = this.#config;
    const values = (key: string): string[] => hostValues(host.metadata, key, listAsAny);
    this.#all.hosts.push(host);
    if (defaultSubset.every(([key, value]) => values(key).includes(value))) this.#default.hosts.push(host);
    for (const keys of selectors)
      for (const entries of combinations(keys, values)) {
        const { text } = new MetadataMatch(entries);
        let subset = this.#subsets.get(text);
        if (subset === undefined) this.#subsets.set(text, (subset = new Subset()));
        subset.hosts.push(host);
      }
  }

  #countChanges(predecessor: SubsetBalancer | undefined): void {
    const before = predecessor === undefined ? new Map<string, Subset>() : predecessor.#subsets;
    this.#stats.counter("lb_subsets_created").add(countMissing(this.#subsets, before));
    this.#stats.counter("lb_subsets_removed").add(countMissing(before, this.#subsets));
    this.#stats.gauge("lb_subsets_active").add(this.#subsets.size - before.size);
  }
}

/** How many keys of `some` are not in `others`. */
function countMissing(some: ReadonlyMap<string, Subset>, others: ReadonlyMap<string, Subset>): number {
  let missing = 0;
  for (const key of some.keys()) if (!others.has(key)) missing++;
  return missing;
}

/** Every choice of one value for each key. */
function combinations(keys: readonly string[], values: (key: string) => string[]): MetadataEntry[][] {
  let found: MetadataEntry[][] = [[]];
  for (const key of keys)
    found = found.flatMap((entries) =>
      [...new Set(values(key))].map((value): MetadataEntry[] => [...entries, [key, value]]),
    );
  return found;
}
