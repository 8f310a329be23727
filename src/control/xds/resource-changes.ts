import type { Interest } from "./interest.ts";
import { encodeResponse, type DiscoveryProtocol, type EncodedResponse } from "./discovery-response.ts";
import type { Resource } from "./resource.ts";
import { VIRTUAL_HOST, type ResourceTypeName } from "./resource-type.ts";

/** Something with a version, which is worked out when it is asked for. */
export interface Versioned {
  readonly version: string;
}

/**
 * What a response tells: resources that are new or changed, and names that are gone or not there. Shared by all nodes that are
 * told the same, so that it is encoded once for them all.
 */
export class ResourceChanges {
  readonly type: ResourceTypeName;
  /** Names of resources that a node may have and must drop. */
  readonly removed: readonly string[];
  /** Names that are asked for and not there. */
  readonly absent: readonly string[];
  /** The resources carry no content: they only renew their time to live. */
  readonly heartbeat: boolean;
  /** Most of the resources, where they are those of other nodes too. */
  readonly common: ResourceChanges | undefined;
  /** The rest of them. */
  readonly own: readonly Resource[];
  readonly #set: Versioned;
  readonly #selections = new WeakMap<Interest, ResourceChanges>();
  readonly #encoded = new Map<DiscoveryProtocol, EncodedResponse>();

  /** @param set what a node has once it took this */
  constructor(
    type: ResourceTypeName,
    set: Versioned,
    own: readonly Resource[],
    rest: {
      readonly removed?: readonly string[];
      readonly absent?: readonly string[];
      readonly common?: ResourceChanges;
      readonly heartbeat?: boolean;
    } = {},
  ) {
    this.type = type;
    this.#set = set;
    this.own = own;
    this.removed = rest.removed ?? NONE;
    this.absent = rest.absent ?? NONE;
    this.common = rest.common;
    this.heartbeat = rest.heartbeat ?? false;
  }

  /** Version of all that a node has once it took this. */
  get version(): string {
    return this.#set.version;
  }

  get isEmpty(): boolean {
    return this.size === 0 && this.removed.length === 0 && this.absent.length === 0;
  }

  /** Number of resources. */
  get size(): number {
    return this.own.length + (this.common?.size ?? 0);
  }

  get resources(): readonly Resource[] {
    return this.common === undefined ? this.own : [...this.common.resources, ...this.own];
  }

  /** Those that an interest is about. */
  select(interest: Interest): ResourceChanges {
    if (interest.wildcard || this.isEmpty) return this;
    let selection = this.#selections.get(interest);
    if (selection === undefined) {
      const { names } = interest;
      const { heartbeat } = this;
      const own = this.resources.filter(
        (each) => names.has(each.name) || each.aliases?.some((alias) => names.has(alias)),
      );
      // Virtual hosts are asked for by aliases, which a name that is gone does not tell.
      const removed = this.removed.filter((name) => names.has(name) || this.type === VIRTUAL_HOST);
      const all = own.length === this.size && removed.length === this.removed.length;
      selection = all ? this : new ResourceChanges(this.type, this.#set, own, { removed, heartbeat });
      this.#selections.set(interest, selection);
    }
    return selection;
  }

  /** These and what of `others` is not among them. */
  plus(others: ResourceChanges): ResourceChanges {
    if (others.isEmpty) return this;
    if (this.isEmpty) return others;
    const known = new Set(this.resources.map(({ name }) => name));
    const own = [...this.resources, ...others.resources.filter(({ name }) => !known.has(name))];
    return new ResourceChanges(this.type, this.#set, own, {
      removed: [...new Set([...this.removed, ...others.removed])],
      absent: [...new Set([...this.absent, ...others.absent])],
    });
  }

  /**
   * As a message of the protocol, the same bytes for all who get it. Nonces differ between responses, not between the
   * nodes that get the same one; `lastNonce` is what the node had last and must not have again.
   */
  encode(protocol: DiscoveryProtocol, lastNonce: string): EncodedResponse {
    const known = this.#encoded.get(protocol);
    if (known !== undefined && known.nonce !== lastNonce) return known;
    const encoded = encodeResponse(protocol, this);
    this.#encoded.set(protocol, encoded);
    return encoded;
  }
}

const NONE: readonly string[] = [];
