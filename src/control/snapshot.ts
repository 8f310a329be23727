import type { MeshPolicy } from "./mesh-policy.ts";
import type { Catalog } from "./model.ts";
import { hash, RESOURCE_TYPES, ResourceCache, type Resource, type ResourceTypeName } from "./resource.ts";
import { viewFor } from "./views/index.ts";
import type { NodeIdentity } from "./views/view.ts";

/** Everything one node is to have, by type and name. */
export interface Snapshot {
  readonly view: string;
  readonly resources: ReadonlyMap<ResourceTypeName, ReadonlyMap<string, Resource>>;
}

/** A node that is not served, and why. */
export class NodeRefused extends Error {}

/**
 * Builds what nodes are served from the catalog and the policy. Resources that nodes share are encoded once. A cluster
 * that falls out of a node's view lingers for a while, so that routes to it are gone everywhere before it is.
 */
export class SnapshotBuilder {
  readonly #cache = new ResourceCache();
  #catalog: Catalog = new Map();
  #policy: MeshPolicy;

  constructor(policy: MeshPolicy) {
    this.#policy = policy;
  }

  get policy(): MeshPolicy {
    return this.#policy;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** Takes new content; snapshots are built from it afterwards. */
  update(content: { catalog?: Catalog; policy?: MeshPolicy }): void {
    this.#catalog = content.catalog ?? this.#catalog;
    this.#policy = content.policy ?? this.#policy;
    this.#cache.sweep();
  }

  /** Throws NodeRefused when there is nothing for this node. */
  build(node: NodeIdentity): Snapshot {
    const view = viewFor(node, this.#policy);
    if (view === undefined) {
      throw new NodeRefused(
        `no view for node id "${node.id}" cluster "${node.cluster}": set metadata.weft.view to edge, sidecar or grpc, or default_view in the mesh policy`,
      );
    }
    let list: readonly Resource[];
    try {
      list = view.build({ node, catalog: this.#catalog, policy: this.#policy, cache: this.#cache });
    } catch (error) {
      throw new NodeRefused(error instanceof Error ? error.message : String(error));
    }
    const resources = new Map<ResourceTypeName, Map<string, Resource>>(
      RESOURCE_TYPES.map((type) => [type, new Map()]),
    );
    for (const each of list) resources.get(each.type)!.set(each.name, each);
    return { view: view.name, resources };
  }
}

/** One version for a set of resources: equal sets have equal versions. */
export function setVersion(resources: readonly Resource[]): string {
  return hash(resources.map((each) => `${each.name}=${each.version}`).join("\n"));
}
