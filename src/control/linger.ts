import type { Resource, ResourceTypeName } from "./resource.ts";

/** Types whose removal waits: what pointed at them must be gone from the proxies first. */
const LINGERING: ReadonlySet<ResourceTypeName> = new Set([
  "envoy.config.cluster.v3.Cluster",
  "envoy.config.endpoint.v3.ClusterLoadAssignment",
]);

/**
 * Make before break: clusters and endpoints that are no longer to be served stay for `lingerMs`, by when nodes have the
 * listeners and routes that no longer name them.
 */
export class Linger {
  readonly #lingerMs: number;
  #last: Map<string, Resource>;
  #removedAt = new Map<string, number>();

  /** @param before what nodes have already */
  constructor(lingerMs: number, before: readonly Resource[] = []) {
    this.#lingerMs = lingerMs;
    this.#last = lingering(before);
  }

  /** When the next resource falls away, on the clock of `now`; undefined when none lingers. */
  get due(): number | undefined {
    return this.#removedAt.size === 0 ? undefined : Math.min(...this.#removedAt.values()) + this.#lingerMs;
  }

  /** The resources with what still lingers. */
  apply(resources: readonly Resource[], now: number): Resource[] {
    const kept = lingering(resources);
    const removedAt = new Map<string, number>();
    const more: Resource[] = [];
    for (const [key, resource] of this.#last) {
      if (kept.has(key)) continue;
      const since = this.#removedAt.get(key) ?? now;
      if (now - since >= this.#lingerMs) continue;
      removedAt.set(key, since);
      kept.set(key, resource);
      more.push(resource);
    }
    this.#last = kept;
    this.#removedAt = removedAt;
    return [...resources, ...more];
  }
}

function lingering(resources: readonly Resource[]): Map<string, Resource> {
  const chosen = resources.filter(({ type }) => LINGERING.has(type));
  return new Map(chosen.map((each) => [`${each.type} ${each.name}`, each]));
}
