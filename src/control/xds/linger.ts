import type { Resource } from "./resource.ts";
import type { ResourceTypeName } from "./resource-type.ts";

/** Types whose removal waits: what pointed at them must be gone from the proxies first. */
const LINGERING: ReadonlySet<ResourceTypeName> = new Set([
  "envoy.config.cluster.v3.Cluster",
  "envoy.config.endpoint.v3.ClusterLoadAssignment",
  "envoy.extensions.transport_sockets.tls.v3.Secret",
]);

type ByName = ReadonlyMap<string, Resource>;

/**
 * Make before break: clusters and what they need stay for `lingerMs` when they are no longer to be served, by when nodes
 * have the listeners and routes that no longer name them.
 */
export class Linger {
  readonly #lingerMs: number;
  readonly #last = new Map<ResourceTypeName, ByName>();
  readonly #removedAt = new Map<ResourceTypeName, ReadonlyMap<string, number>>();

  /** @param before what nodes have already */
  constructor(lingerMs: number, before: readonly Resource[] = []) {
    this.#lingerMs = lingerMs;
    for (const type of LINGERING) {
      const ofType = before.filter((each) => each.type === type);
      if (ofType.length > 0) this.#last.set(type, new Map(ofType.map((each) => [each.name, each])));
    }
  }

  /** When the next resource falls away, on the clock of `now`; undefined when none lingers. */
  get due(): number | undefined {
    let first = Number.POSITIVE_INFINITY;
    for (const times of this.#removedAt.values())
      for (const time of times.values()) first = Math.min(first, time);
    return Number.isFinite(first) ? first + this.#lingerMs : undefined;
  }

  /** The resources of one type, by name, with what still lingers. */
  apply(type: ResourceTypeName, resources: ByName, now: number): ByName {
    if (!LINGERING.has(type)) return resources;
    const removedBefore = this.#removedAt.get(type);
    const removedAt = new Map<string, number>();
    let kept: Map<string, Resource> | undefined;
    for (const [name, resource] of this.#last.get(type) ?? []) {
      if (resources.has(name)) continue;
      const since = removedBefore?.get(name) ?? now;
      if (now - since >= this.#lingerMs) continue;
      removedAt.set(name, since);
      kept ??= new Map(resources);
      kept.set(name, resource);
    }
    this.#removedAt.set(type, removedAt);
    this.#last.set(type, kept ?? resources);
    return kept ?? resources;
  }
}
