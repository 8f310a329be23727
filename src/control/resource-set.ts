import { create, encode } from "../proto/registry.ts";
import { hash, typeUrl, type Resource, type ResourceTypeName } from "./resource.ts";

/**
 * Resources of one type under one version. Sets are shared by all who get them, so what follows from a set (its
 * version, the part that some names select, its encoded form) is worked out once and not per node.
 */
export class ResourceSet {
  readonly type: ResourceTypeName;
  readonly #byName: ReadonlyMap<string, Resource>;
  readonly #selections = new Map<string, ResourceSet>();
  readonly #changes = new WeakMap<ResourceSet, ResourceSet>();
  #version: string | undefined;
  #encoded: { version: string; bytes: Uint8Array } | undefined;

  constructor(type: ResourceTypeName, resources: Iterable<Resource>) {
    this.type = type;
    const sorted = [...resources].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#byName = new Map(sorted.map((each) => [each.name, each]));
  }

  get size(): number {
    return this.#byName.size;
  }

  /** In order of name. */
  get resources(): Iterable<Resource> {
    return this.#byName.values();
  }

  get(name: string): Resource | undefined {
    return this.#byName.get(name);
  }

  /** Equal sets have equal versions, on every replica. */
  get version(): string {
    this.#version ??= hash(
      Array.from(this.#byName.values(), (each) => `${each.name}=${each.version}`).join("\n"),
    );
    return this.#version;
  }

  /** Those of these names that there are. `key` stands for the names: equal names have equal keys. */
  select(names: ReadonlySet<string>, key: string): ResourceSet {
    let selection = this.#selections.get(key);
    if (selection === undefined) {
      const found = [...names].flatMap((name) => this.#byName.get(name) ?? []);
      selection = found.length === this.size ? this : new ResourceSet(this.type, found);
      this.#selections.set(key, selection);
    }
    return selection;
  }

  /** Those that `before` lacks or has in another version. */
  changesSince(before: ResourceSet): ResourceSet {
    let changes = this.#changes.get(before);
    if (changes === undefined) {
      const all = [...this.#byName.values()];
      changes = new ResourceSet(
        this.type,
        all.filter((each) => before.get(each.name)?.version !== each.version),
      );
      this.#changes.set(before, changes);
    }
    return changes;
  }

  /** This set and what of `other` it lacks. */
  plus(other: Iterable<Resource>): ResourceSet {
    const more = [...other].filter((each) => !this.#byName.has(each.name));
    return more.length === 0 ? this : new ResourceSet(this.type, [...this.#byName.values(), ...more]);
  }

  /** As a DiscoveryResponse under a version, without a nonce: a nonce is one more field at its end. */
  encoded(version: string): Uint8Array {
    if (this.#encoded?.version !== version) {
      const url = typeUrl(this.type);
      const message = create("envoy.service.discovery.v3.DiscoveryResponse", {
        typeUrl: url,
        versionInfo: version,
        resources: Array.from(this.#byName.values(), (each) => ({ typeUrl: url, value: each.bytes })),
        controlPlane: { identifier: "weft-control" },
      });
      this.#encoded = { version, bytes: encode("envoy.service.discovery.v3.DiscoveryResponse", message) };
    }
    return this.#encoded.bytes;
  }
}
