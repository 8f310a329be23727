import type { Resource } from "./resource.ts";
import { setVersion } from "./snapshot.ts";

/** The parts of a DiscoveryRequest that matter here. */
export interface TypeRequest {
  readonly versionInfo: string;
  readonly responseNonce: string;
  readonly resourceNames: readonly string[];
  /** Text of error_detail; undefined when there is none. */
  readonly error: string | undefined;
}

export type RequestVerdict =
  | { readonly kind: "subscribe" }
  | { readonly kind: "ack" }
  | { readonly kind: "nack"; readonly error: string }
  | { readonly kind: "stale" };

/** What to send: the resources as one set under one version. */
export interface TypeResponse {
  readonly version: string;
  readonly nonce: string;
  readonly resources: readonly Resource[];
}

/**
 * One stream's subscription to one resource type, state of the world (xds_protocol.rst, "How the client specifies what
 * resources to return"). Pure: requests and snapshots in, responses out.
 */
export class Subscription {
  /** Whether an empty list of names means "everything": so for listeners and clusters. */
  readonly #wildcardType: boolean;
  #names: ReadonlySet<string> = new Set();
  #wildcard = false;
  #named = false;
  #nonce = 0;
  #sentVersion: string | undefined;
  #sentNames = "";
  #mustAnswer = false;
  acceptedVersion = "";
  rejectedVersion = "";
  lastError = "";

  constructor(wildcardType: boolean) {
    this.#wildcardType = wildcardType;
  }

  get sentVersion(): string {
    return this.#sentVersion ?? "";
  }

  /** Whether what was last sent has been answered. */
  get settled(): boolean {
    return this.#sentVersion === this.acceptedVersion || this.#sentVersion === this.rejectedVersion;
  }

  receive(request: TypeRequest): RequestVerdict {
    const first = request.responseNonce === "";
    if (!first && request.responseNonce !== String(this.#nonce)) return { kind: "stale" };
    const grew = this.#subscribe(request.resourceNames);
    if (first) {
      // A client that comes back says what it has; it gets an answer all the same, at once, to learn the new nonce.
      this.#mustAnswer = true;
      this.acceptedVersion = request.versionInfo;
      return { kind: "subscribe" };
    }
    if (grew) this.#mustAnswer = true;
    if (request.error !== undefined) {
      this.rejectedVersion = this.#sentVersion ?? "";
      this.lastError = request.error;
      return { kind: "nack", error: request.error };
    }
    this.acceptedVersion = request.versionInfo;
    this.rejectedVersion = "";
    this.lastError = "";
    return { kind: "ack" };
  }

  /** What to send now, given everything the node may have; undefined when it has it already. */
  respond(available: ReadonlyMap<string, Resource>): TypeResponse | undefined {
    const resources = this.#select(available);
    const version = setVersion(resources);
    const names = resources.map((each) => each.name).join("\n");
    if (!this.#mustAnswer && version === this.#sentVersion && names === this.#sentNames) return undefined;
    // Named resources that do not exist yet: the client waits for them, an empty answer would say nothing.
    if (!this.#wildcard && resources.length === 0) return undefined;
    this.#mustAnswer = false;
    this.#sentVersion = version;
    this.#sentNames = names;
    return { version, nonce: String(++this.#nonce), resources };
  }

  /** Answers once more even if nothing changed: what this type hangs on was sent anew. */
  invalidate(): void {
    if (this.#sentVersion !== undefined) this.#mustAnswer = true;
  }

  /** Names asked for that are not there. */
  missing(available: ReadonlyMap<string, Resource>): string[] {
    return [...this.#names].filter((name) => !available.has(name));
  }

  #select(available: ReadonlyMap<string, Resource>): Resource[] {
    const all = [...available.values()];
    return (this.#wildcard ? all : all.filter((each) => this.#names.has(each.name))).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  }

  /** Returns whether something is asked for that was not before. */
  #subscribe(names: readonly string[]): boolean {
    const explicit = names.filter((name) => name !== "*");
    if (explicit.length > 0) this.#named = true;
    this.#wildcard =
      this.#wildcardType &&
      (names.includes("*") || (names.length === 0 && !this.#named) || (this.#wildcard && names.length === 0));
    const before = this.#names;
    this.#names = new Set(explicit);
    return explicit.some((name) => !before.has(name));
  }
}
