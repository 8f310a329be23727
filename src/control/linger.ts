import type { Resource, ResourceTypeName } from "./resource.ts";
import type { Snapshot } from "./snapshot.ts";

/** Types whose removal waits: what pointed at them must be gone from the proxy first. */
const LINGERING: readonly ResourceTypeName[] = [
  "envoy.config.cluster.v3.Cluster",
  "envoy.config.endpoint.v3.ClusterLoadAssignment",
];

/**
 * Make before break for one stream: clusters and endpoints that a new snapshot lacks stay in what the node gets until
 * `lingerMs` passed, by when it has the listeners and routes that no longer name them.
 */
export class Linger {
  readonly #lingerMs: number;
  readonly #removedAt = new Map<string, { resource: Resource; at: number }>();
  #last: Snapshot | undefined;

  constructor(lingerMs: number) {
    this.#lingerMs = lingerMs;
  }

  /** The snapshot with what still lingers. `until` is when the next one falls away, on the given clock. */
  apply(snapshot: Snapshot, now: number): { snapshot: Snapshot; until: number | undefined } {
    for (const type of LINGERING) {
      const present = snapshot.resources.get(type)!;
      for (const resource of this.#last?.resources.get(type)?.values() ?? []) {
        const key = `${type} ${resource.name}`;
        if (present.has(resource.name)) this.#removedAt.delete(key);
        else if (!this.#removedAt.has(key)) this.#removedAt.set(key, { resource, at: now });
      }
    }
    this.#last = snapshot;
    let until: number | undefined;
    const resources = new Map(snapshot.resources);
    for (const [key, { resource, at }] of this.#removedAt) {
      if (now - at >= this.#lingerMs || snapshot.resources.get(resource.type)!.has(resource.name)) {
        this.#removedAt.delete(key);
        continue;
      }
      const due = at + this.#lingerMs;
      until = until === undefined ? due : Math.min(until, due);
      resources.set(resource.type, new Map(resources.get(resource.type)).set(resource.name, resource));
    }
    return { snapshot: { ...snapshot, resources }, until };
  }
}
