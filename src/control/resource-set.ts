import { create, encode } from "../proto/registry.ts";
import { hash, typeUrl, type Resource, type ResourceTypeName } from "./resource.ts";

const RESPONSE = "envoy.service.discovery.v3.DiscoveryResponse";

/**
 * Resources of one type under one version. Sets are shared by all who get them, so what follows from a set (its
 * version, the part that some names select, its encoded form) is worked out once and not per node. A set may stand on
 * another one and add to it: what one node alone has costs only itself.
 */
export class ResourceSet {
  readonly type: ResourceTypeName;
  readonly #base: ResourceSet | undefined;
  readonly #own: ReadonlyMap<string, Resource>;
  readonly #selections = new Map<string, ResourceSet>();
  readonly #changes = new WeakMap<ResourceSet, ResourceSet>();
  #version: string | undefined;
  #body: Uint8Array | undefined;

  /** Resources that `base` has already are left out. */
  constructor(type: ResourceTypeName, resources: Iterable<Resource>, base?: ResourceSet) {
    this.type = type;
    this.#base = base;
    const sorted = [...resources]
      .filter((each) => base?.get(each.name) === undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#own = new Map(sorted.map((each) => [each.name, each]));
  }

  get size(): number {
    return this.#own.size + (this.#base?.size ?? 0);
  }

  get resources(): Resource[] {
    return [...(this.#base?.resources ?? []), ...this.#own.values()];
  }

  get(name: string): Resource | undefined {
    return this.#own.get(name) ?? this.#base?.get(name);
  }

  /** Equal content has equal versions, on every replica. */
  get version(): string {
    if (this.#version === undefined) {
      const lines = Array.from(this.#own.values(), (each) => `${each.name}=${each.version}`);
      this.#version = hash([...(this.#base === undefined ? [] : [this.#base.version]), ...lines].join("\n"));
    }
    return this.#version;
  }

  /** Those of these names that there are. `key` stands for the names: equal names have equal keys. */
  select(names: ReadonlySet<string>, key: string): ResourceSet {
    let selection = this.#selections.get(key);
    if (selection === undefined) {
      const found = [...names].flatMap((name) => this.get(name) ?? []);
      selection = found.length === this.size ? this : new ResourceSet(this.type, found);
      this.#selections.set(key, selection);
    }
    return selection;
  }

  /** Those that `before` lacks or has in another version. */
  changesSince(before: ResourceSet): ResourceSet {
    let changes = this.#changes.get(before);
    if (changes === undefined) {
      const changed = this.resources.filter((each) => before.get(each.name)?.version !== each.version);
      changes = new ResourceSet(this.type, changed);
      this.#changes.set(before, changes);
    }
    return changes;
  }

  /** This set and what of `others` it lacks. */
  plus(others: readonly Resource[]): ResourceSet {
    const set = new ResourceSet(this.type, others, this);
    return set.size === this.size ? this : set;
  }

  /** As a DiscoveryResponse. Only what differs from node to node is encoded anew. */
  encode(version: string, nonce: string): Buffer {
    const rest = create(RESPONSE, {
      typeUrl: typeUrl(this.type),
      versionInfo: version,
      nonce,
      controlPlane: { identifier: "weft-control" },
    });
    // Messages that stand one after the other are one message with the fields of all.
    return Buffer.concat([...this.#bodies(), encode(RESPONSE, rest)]);
  }

  #bodies(): Uint8Array[] {
    const url = typeUrl(this.type);
    this.#body ??= encode(
      RESPONSE,
      create(RESPONSE, {
        resources: Array.from(this.#own.values(), (each) => ({ typeUrl: url, value: each.bytes })),
      }),
    );
    return this.#base === undefined ? [this.#body] : [...this.#base.#bodies(), this.#body];
  }
}
