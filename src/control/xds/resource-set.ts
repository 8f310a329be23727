import { Interest } from "./interest.ts";
import { hash, type Resource } from "./resource.ts";
import { ResourceChanges } from "./resource-changes.ts";
import type { ResourceTypeName } from "./resource-type.ts";

/** What a set has instead of, or besides, what the one below it has; null withholds a resource: it is neither told nor absent. */
type Overlay = ReadonlyMap<string, Resource | null>;

const NO_OVERLAY: Overlay = new Map();
const EVERYTHING = Interest.of(["*"]);

/**
 * Resources of one type under one version; never changes. Sets are shared by all who get them, so what follows from a
 * set (its version, the part that an interest selects, what changed since another) is worked out once and not per node.
 * A set may lie over another one: what one node alone has costs only itself.
 */
export class ResourceSet {
  readonly type: ResourceTypeName;
  /** The set below; undefined when there is none. Never an overlaid one itself. */
  readonly #base: ResourceSet | undefined;
  readonly #own: Overlay;
  readonly #selections = new WeakMap<Interest, ResourceChanges>();
  readonly #changes = new WeakMap<ResourceSet, ResourceChanges>();
  #version: string | undefined;
  #heartbeat: ResourceChanges | undefined;
  #aliases: ReadonlyMap<string, Resource> | undefined;

  static of(type: ResourceTypeName, resources: Iterable<Resource>): ResourceSet {
    return new ResourceSet(type, new Map(Array.from(resources, (each) => [each.name, each])), undefined);
  }

  private constructor(type: ResourceTypeName, own: Overlay, base: ResourceSet | undefined) {
    this.type = type;
    this.#own = own;
    this.#base = base;
  }

  get size(): number {
    if (this.#base === undefined) return this.#own.size;
    let size = this.#base.size;
    for (const [name, each] of this.#own) {
      size += (each === null ? 0 : 1) - (this.#base.has(name) ? 1 : 0);
    }
    return size;
  }

  get resources(): Resource[] {
    const base = this.#base;
    if (base === undefined) return [...(this.#own.values() as Iterable<Resource>)];
    const below = base.resources.map(
      (each) => this.#own.get(each.name) ?? (this.#own.has(each.name) ? null : each),
    );
    const beside = [...this.#own.values()].filter((each) => each !== null && !base.has(each.name));
    return [...below, ...beside].filter((each) => each !== null);
  }

  get(name: string): Resource | undefined {
    const own = this.#own.get(name);
    return own === undefined ? this.#base?.get(name) : (own ?? undefined);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** By name or alias. */
  find(name: string): Resource | undefined {
    return this.get(name) ?? this.#aliasIndex().get(name);
  }

  /** Equal content has equal versions, on every replica. */
  get version(): string {
    if (this.#version === undefined) {
      const lines = Array.from(this.#own, ([name, each]) => `${name}=${each?.version ?? "-"}`).sort();
      this.#version = hash([...(this.#base === undefined ? [] : [this.#base.version]), ...lines].join("\n"));
    }
    return this.#version;
  }

  /** This set with some resources in place of others or withheld (null). */
  overlaid(own: Overlay): ResourceSet {
    if (own.size === 0) return this;
    if (this.#base === undefined) return new ResourceSet(this.type, own, this);
    return new ResourceSet(this.type, new Map([...this.#own, ...own]), this.#base);
  }

  /** This set and those of `others` whose names it lacks. */
  plus(others: Iterable<Resource>): ResourceSet {
    const own = new Map<string, Resource>();
    for (const each of others) if (!this.has(each.name)) own.set(each.name, each);
    return this.overlaid(own);
  }

  /** All that an interest is about; names that are not there are told as absent. */
  select(interest: Interest): ResourceChanges {
    let selection = this.#selections.get(interest);
    if (selection === undefined) {
      selection = this.#select(interest);
      this.#selections.set(interest, selection);
    }
    return selection;
  }

  /** Renews the time to live of the resources that have one. */
  get heartbeat(): ResourceChanges {
    if (this.#heartbeat === undefined) {
      const mortal = this.resources.filter(({ ttl }) => ttl !== undefined);
      this.#heartbeat = new ResourceChanges(this.type, this, mortal, { heartbeat: true });
    }
    return this.#heartbeat;
  }

  /** What a node that has `before` must be told. */
  changesSince(before: ResourceSet): ResourceChanges {
    if (before === this) return new ResourceChanges(this.type, this, []);
    let changes = this.#changes.get(before);
    if (changes === undefined) {
      changes = this.#compare(before);
      this.#changes.set(before, changes);
    }
    return changes;
  }

  #select(interest: Interest): ResourceChanges {
    const absent = [...interest.names].filter(
      (name) => this.find(name) === undefined && !this.#own.has(name),
    );
    if (interest.wildcard) {
      const base = this.#base;
      const adds =
        base !== undefined && [...this.#own].every(([name, each]) => each !== null && !base.has(name));
      const own = adds ? ([...this.#own.values()] as Resource[]) : this.resources;
      const rest = adds ? { absent, common: base.select(EVERYTHING) } : { absent };
      return new ResourceChanges(this.type, this, own, rest);
    }
    const found = new Set([...interest.names].flatMap((name) => this.find(name) ?? []));
    return new ResourceChanges(this.type, this, [...found], { absent });
  }

  #compare(before: ResourceSet): ResourceChanges {
    const root = this.#base ?? this;
    const rootBefore = before.#base ?? before;
    if (root === this && rootBefore === before) return this.#compareAll(before);
    const common = root.changesSince(rootBefore);
    const overlaid = [...overlayOf(this), ...overlayOf(before)];
    const same = overlaid.every((name) => this.get(name)?.version === before.get(name)?.version);
    const touched = new Set([...common.resources.map(({ name }) => name), ...common.removed]);
    // What the overlays agree on is no change, whatever lies below it.
    if (same && !overlaid.some((name) => touched.has(name))) return common;
    for (const name of overlaid) touched.add(name);
    const updated: Resource[] = [];
    const removed: string[] = [];
    for (const name of touched) {
      const now = this.get(name);
      if (now === undefined) {
        if (before.has(name) && !this.#own.has(name)) removed.push(name);
      } else if (now.version !== before.get(name)?.version) updated.push(now);
    }
    return new ResourceChanges(this.type, this, updated, { removed });
  }

  #compareAll(before: ResourceSet): ResourceChanges {
    const updated: Resource[] = [];
    const removed: string[] = [];
    for (const [name, each] of this.#own) {
      const old = before.#own.get(name);
      if (old !== each && old?.version !== each!.version) updated.push(each!);
    }
    for (const name of before.#own.keys()) if (!this.#own.has(name)) removed.push(name);
    return new ResourceChanges(this.type, this, updated, { removed });
  }

  #aliasIndex(): ReadonlyMap<string, Resource> {
    if (this.#aliases === undefined) {
      const index = new Map<string, Resource>();
      for (const each of this.resources) for (const alias of each.aliases ?? []) index.set(alias, each);
      this.#aliases = index;
    }
    return this.#aliases;
  }

  /** Names in the overlay. */
  static overlayNames(set: ResourceSet): Iterable<string> {
    return set.#base === undefined ? NO_OVERLAY.keys() : set.#own.keys();
  }
}

function overlayOf(set: ResourceSet): Iterable<string> {
  return ResourceSet.overlayNames(set);
}
