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
  #last = new Map<string, Resource>();
  #removedAt = new Map<string, number>();

  constructor(lingerMs: number) {
    this.#lingerMs = lingerMs;
  }

  /** When the next resource falls away, on the clock of `now`; undefined when none lingers. */
  get due(): number | undefined {
    return this.#removedAt.size === 0 ? undefined : Math.min(...this.#removedAt.values()) + this.#lingerMs;
  }

  /** The resources with what still lingers. */
  apply(resources: readonly Resource[], now: number): Resource[] {
    const kept = new Map<string, Resource>();
    for (const each of resources) if (LINGERING.has(each.type)) kept.set(`${each.type} ${each.name}`, each);
    const removedAt = new Map<string, number>();
    const lingering: Resource[] = [];
    for (const [key, resource] of this.#last) {
      if (kept.has(key)) continue;
      const since = this.#removedAt.get(key) ?? now;
      if (now - since >= this.#lingerMs) continue;
      removedAt.set(key, since);
      kept.set(key, resource);
      lingering.push(resource);
    }
    this.#last = kept;
    this.#removedAt = removedAt;
    return [...resources, ...lingering];
  }
}
