import { Linger } from "./linger.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { Catalog } from "../model.ts";
import type { Resource } from "./resource.ts";
import { ResourceCache } from "./resource-cache.ts";
import { RESOURCE_TYPES, type ResourceTypeName } from "./resource-type.ts";
import { ResourceSet } from "./resource-set.ts";
import { viewFor } from "../views/index.ts";
import type { NodeIdentity, View } from "../views/view.ts";
import type { WeftLimits } from "../views/weft-limits.ts";

type Sets = ReadonlyMap<ResourceTypeName, ResourceSet>;

/** Everything one node is to have. Nothing changed for the node while it is given the same object. */
export interface Snapshot {
  readonly view: string;
  /** Types without a resource may be missing. */
  readonly sets: Sets;
  /** The shortest time to live of its resources, in milliseconds; undefined when all live for ever. */
  readonly ttl: number | undefined;
}

/** Where snapshots come from. */
export interface SnapshotSource {
  /** When to build again even if nothing changed, wall clock, milliseconds; undefined = never. */
  readonly due: number | undefined;
  /** What a node is to have. Give the same object for the same node. Throws NodeRefused. */
  build(node: NodeIdentity, now: number): Snapshot;
}

/** A node that is not served, and why. */
export class NodeRefused extends Error {}

/** What the nodes of one view have in common. */
interface Common {
  readonly cache: ResourceCache;
  readonly linger: Linger;
  snapshot: Snapshot;
  stale: boolean;
}

/** What one node was given, and what it was made of. */
interface Given {
  readonly view: View;
  readonly policy: MeshPolicy;
  readonly own: readonly Resource[];
  readonly common: Snapshot;
  readonly snapshot: Snapshot;
}

/**
 * Builds what nodes are served from the catalog and the policy. What the nodes of a view have in common is built once
 * after each change; a node adds what it alone has. A cluster that falls out of a view lingers for a while, so that
 * routes to it are gone everywhere before it is.
 */
export class SnapshotBuilder implements SnapshotSource {
  readonly #lingerMs: number;
  readonly #weft: WeftLimits | undefined;
  readonly #commons = new Map<string, Common>();
  readonly #given = new WeakMap<NodeIdentity, Given>();
  #catalog: Catalog = new Map();
  #policy: MeshPolicy;
  #secrets: readonly Resource[] = [];

  /** @param weft what `weft proxy` cannot take */
  constructor(policy: MeshPolicy, lingerMs: number, weft?: WeftLimits) {
    this.#policy = policy;
    this.#lingerMs = lingerMs;
    this.#weft = weft;
  }

  get due(): number | undefined {
    const times = [...this.#commons.values()].flatMap(({ linger }) => linger.due ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Takes new content; snapshots are built from it afterwards. */
  update(content: { catalog?: Catalog; policy?: MeshPolicy; secrets?: readonly Resource[] }): void {
    this.#secrets = content.secrets ?? this.#secrets;
    this.#catalog = content.catalog ?? this.#catalog;
    this.#policy = content.policy ?? this.#policy;
    for (const common of this.#commons.values()) common.stale = true;
  }

  build(node: NodeIdentity, now: number): Snapshot {
    const policy = this.#policy;
    const given = this.#given.get(node);
    const same = given !== undefined && given.policy === policy;
    const view = same ? given.view : viewFor(node, policy, this.#weft);
    if ("refused" in view) throw new NodeRefused(view.refused);
    const common = this.#common(view, now, given?.common);
    if (same && given.common === common) return given.snapshot;
    const own = same ? given.own : ownOf(view, node, policy);
    const snapshot = own.length === 0 ? common : withOwn(common, own, given);
    this.#given.set(node, { view, policy, own, common, snapshot });
    return snapshot;
  }

  /** @param earlier what the node that asks had: it may have come from another view */
  #common(view: View, now: number, earlier?: Snapshot): Snapshot {
    let common = this.#commons.get(view.key);
    if (common === undefined) {
      const had = [...(earlier?.sets.values() ?? [])].flatMap((set) => set.resources);
      common = {
        cache: new ResourceCache(),
        linger: new Linger(this.#lingerMs, had),
        snapshot: { view: view.name, sets: new Map(), ttl: undefined },
        stale: true,
      };
      this.#commons.set(view.key, common);
    }
    if (!common.stale && now < (common.linger.due ?? Number.POSITIVE_INFINITY)) return common.snapshot;
    const { cache, linger, snapshot: before } = common;
    const made = view.shared({ catalog: this.#catalog, policy: this.#policy, cache });
    // Secrets are sent to those who ask for them by name.
    const byType = groupByType([...this.#secrets, ...made]);
    cache.sweep();
    common.stale = false;
    const sets = new Map<ResourceTypeName, ResourceSet>();
    let changed = false;
    for (const type of RESOURCE_TYPES) {
      const set = ResourceSet.of(type, linger.apply(type, byType.get(type) ?? NO_RESOURCES, now).values());
      const old = before.sets.get(type);
      const same = old !== undefined && set.changesSince(old).isEmpty;
      sets.set(type, same ? old : set);
      changed ||= !same;
    }
    if (changed) common.snapshot = { view: view.name, sets, ttl: shortestTtl(sets) };
    return common.snapshot;
  }
}

const NO_RESOURCES: ReadonlyMap<string, Resource> = new Map();

function groupByType(resources: readonly Resource[]): Map<ResourceTypeName, Map<string, Resource>> {
  const groups = new Map<ResourceTypeName, Map<string, Resource>>();
  for (const each of resources) {
    let group = groups.get(each.type);
    if (group === undefined) groups.set(each.type, (group = new Map()));
    group.set(each.name, each);
  }
  return groups;
}

/** What all nodes of a view have, and what this one has besides. Sets that did not change stay the same objects. */
function withOwn(common: Snapshot, own: readonly Resource[], given: Given | undefined): Snapshot {
  const sets = new Map(common.sets);
  for (const [type, more] of groupByType(own)) {
    const shared = common.sets.get(type) ?? ResourceSet.of(type, []);
    const same = given?.own === own && given.common.sets.get(type) === shared;
    sets.set(type, same ? given.snapshot.sets.get(type)! : shared.plus(more.values()));
  }
  return { view: common.view, sets, ttl: shortestTtl(sets) };
}

function shortestTtl(sets: Sets): number | undefined {
  let shortest: number | undefined;
  for (const set of sets.values()) {
    for (const { ttl } of set.heartbeat.resources) {
      if (ttl !== undefined) shortest = Math.min(ttl, shortest ?? ttl);
    }
  }
  return shortest;
}

function ownOf(view: View, node: NodeIdentity, policy: MeshPolicy): readonly Resource[] {
  try {
    return view.own(node, policy);
  } catch (error) {
    throw new NodeRefused((error as Error).message);
  }
}
