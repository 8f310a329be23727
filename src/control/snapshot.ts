import { Linger } from "./linger.ts";
import type { MeshPolicy } from "./policy/mesh-policy.ts";
import type { Catalog } from "./model.ts";
import { RESOURCE_TYPES, ResourceCache, type Resource, type ResourceTypeName } from "./resource.ts";
import { ResourceSet } from "./resource-set.ts";
import { viewFor } from "./views/index.ts";
import type { NodeIdentity, View } from "./views/view.ts";
import type { WeftLimits } from "./views/weft-limits.ts";

type Sets = ReadonlyMap<ResourceTypeName, ResourceSet>;

/** Everything one node is to have. Nothing changed for the node while it is given the same object. */
export interface Snapshot {
  readonly view: string;
  readonly sets: Sets;
}

/** A node that is not served, and why. */
export class NodeRefused extends Error {}

/** What the nodes of one view have in common. */
interface Common {
  readonly cache: ResourceCache;
  readonly linger: Linger;
  sets: Sets;
  stale: boolean;
}

/** What one node was given, and what it was made of. */
interface Given {
  readonly view: View;
  readonly policy: MeshPolicy;
  readonly own: readonly Resource[];
  readonly common: Sets;
  readonly snapshot: Snapshot;
}

/**
 * Builds what nodes are served from the catalog and the policy. What the nodes of a view have in common is built once
 * after each change; a node adds what it alone has. A cluster that falls out of a view lingers for a while, so that
 * routes to it are gone everywhere before it is.
 */
export class SnapshotBuilder {
  readonly #lingerMs: number;
  readonly #weft: WeftLimits | undefined;
  readonly #commons = new Map<string, Common>();
  readonly #given = new WeakMap<NodeIdentity, Given>();
  #catalog: Catalog = new Map();
  #policy: MeshPolicy;

  /** @param weft what `weft proxy` cannot take */
  constructor(policy: MeshPolicy, lingerMs: number, weft?: WeftLimits) {
    this.#policy = policy;
    this.#lingerMs = lingerMs;
    this.#weft = weft;
  }

  /** When to build again for what lingers; undefined when nothing does. */
  get due(): number | undefined {
    const times = [...this.#commons.values()].flatMap(({ linger }) => linger.due ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Takes new content; snapshots are built from it afterwards. */
  update(content: { catalog?: Catalog; policy?: MeshPolicy }): void {
    this.#catalog = content.catalog ?? this.#catalog;
    this.#policy = content.policy ?? this.#policy;
    for (const common of this.#commons.values()) common.stale = true;
  }

  /** Give the same object for the same node: what was built for it is kept with it. Throws NodeRefused. */
  build(node: NodeIdentity, now: number): Snapshot {
    const policy = this.#policy;
    const view = viewFor(node, policy, this.#weft);
    if ("refused" in view) throw new NodeRefused(view.refused);
    const given = this.#given.get(node);
    const common = this.#common(view, now, given?.common);
    if (
      given !== undefined &&
      given.view.key === view.key &&
      given.policy === policy &&
      given.common === common
    ) {
      return given.snapshot;
    }
    const own =
      given?.view.key === view.key && given.policy === policy ? given.own : ownOf(view, node, policy);
    const sets = new Map<ResourceTypeName, ResourceSet>();
    for (const [type, shared] of common) {
      const more = own.filter((each) => each.type === type);
      const same = given?.own === own && given.common.get(type) === shared;
      sets.set(type, same ? given.snapshot.sets.get(type)! : shared.plus(more));
    }
    const snapshot = { view: view.name, sets };
    this.#given.set(node, { view, policy, own, common, snapshot });
    return snapshot;
  }

  /** @param earlier what the node that asks had: it may have come from another view */
  #common(view: View, now: number, earlier?: Sets): Sets {
    let common = this.#commons.get(view.key);
    if (common === undefined) {
      const linger = new Linger(
        this.#lingerMs,
        [...(earlier?.values() ?? [])].flatMap((set) => set.resources),
      );
      common = { cache: new ResourceCache(), linger, sets: new Map(), stale: true };
      this.#commons.set(view.key, common);
    }
    if (!common.stale && now < (common.linger.due ?? Number.POSITIVE_INFINITY)) return common.sets;
    const { cache, linger, sets: before } = common;
    const resources = linger.apply(view.shared({ catalog: this.#catalog, policy: this.#policy, cache }), now);
    cache.sweep();
    const sets = RESOURCE_TYPES.map((type) => {
      const set = new ResourceSet(
        type,
        resources.filter((each) => each.type === type),
      );
      const old = before.get(type);
      return old?.version === set.version ? old : set;
    });
    common.stale = false;
    if (sets.some((set) => before.get(set.type) !== set))
      common.sets = new Map(sets.map((set) => [set.type, set]));
    return common.sets;
  }
}

function ownOf(view: View, node: NodeIdentity, policy: MeshPolicy): readonly Resource[] {
  try {
    return view.own(node, policy);
  } catch (error) {
    throw new NodeRefused((error as Error).message);
  }
}
