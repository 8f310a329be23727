import type { ResourceSet } from "./resource-set.ts";

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

/** What to send, and the version of all that the client has once it took it. */
export interface TypeResponse {
  readonly version: string;
  readonly nonce: string;
  readonly resources: ResourceSet;
}

/**
 * One stream's subscription to one resource type, state of the world (xds_protocol.rst, "How the client specifies what
 * resources to return"). Pure: requests and resources in, responses out. The next response waits for the answer to the
 * last: a slow client gets the newest content when it is ready for it, and nothing piles up meanwhile.
 */
export class Subscription {
  /** Whether a response tells all there is (listeners, clusters), so that a missing resource is a removed one. */
  readonly #fullState: boolean;
  #names: ReadonlySet<string> = new Set();
  #namesKey = "";
  #wildcard = false;
  #everNamed = false;
  #nonce = 0;
  #awaiting = false;
  #mustAnswer = false;
  /** All that the last response stood for, and all that the client has acknowledged. */
  #sent: ResourceSet | undefined;
  #held: ResourceSet | undefined;
  acceptedVersion = "";
  rejectedVersion = "";
  lastError = "";

  constructor(fullState: boolean) {
    this.#fullState = fullState;
  }

  get sentVersion(): string {
    return this.#sent?.version ?? "";
  }

  get state(): "synced" | "pending" | "nacked" {
    if (this.rejectedVersion !== "") return "nacked";
    return this.#awaiting || this.#sent === undefined ? "pending" : "synced";
  }

  receive(request: TypeRequest): RequestVerdict {
    const first = request.responseNonce === "";
    if (!first && request.responseNonce !== String(this.#nonce)) return { kind: "stale" };
    const grew = this.#subscribe(request.resourceNames);
    const answers = this.#awaiting;
    this.#awaiting = false;
    if (first) {
      // A client that comes back says what it has; it gets an answer all the same, at once, to learn the new nonce.
      this.#mustAnswer = true;
      this.#held = undefined;
      this.acceptedVersion = request.versionInfo;
      return { kind: "subscribe" };
    }
    if (grew) this.#mustAnswer = true;
    if (request.error !== undefined) {
      this.rejectedVersion = this.sentVersion;
      this.lastError = request.error;
      return { kind: "nack", error: request.error };
    }
    // Other names under a nonce that was answered already: says nothing about the content.
    if (!answers) return { kind: "subscribe" };
    this.#held = this.#sent;
    this.acceptedVersion = request.versionInfo;
    this.rejectedVersion = "";
    this.lastError = "";
    return { kind: "ack" };
  }

  /** What to send now, given everything the node may have; undefined when it has it already or is not ready for it. */
  respond(available: ResourceSet): TypeResponse | undefined {
    if (this.#awaiting || !(this.#wildcard || this.#names.size > 0)) return undefined;
    const selected = this.#wildcard ? available : available.select(this.#names, this.#namesKey);
    if (!this.#mustAnswer && selected.version === this.#sent?.version) return undefined;
    const changesDo = !this.#fullState && !this.#mustAnswer && this.rejectedVersion === "";
    const resources = changesDo && this.#held !== undefined ? selected.changesSince(this.#held) : selected;
    if (resources.size === 0 && !this.#fullState) {
      // Nothing there yet, or only less than before: of these types an answer tells what is, never what is not.
      if (this.#held !== undefined) this.#sent = this.#held = selected;
      return undefined;
    }
    this.#mustAnswer = false;
    this.#awaiting = true;
    this.#sent = selected;
    return { version: selected.version, nonce: String(++this.#nonce), resources };
  }

  /** Answers once more even if nothing changed: what this type hangs on was sent anew. */
  invalidate(): void {
    if (this.#sent !== undefined) this.#mustAnswer = true;
  }

  /** Names asked for that are not there. */
  missing(available: ResourceSet): string[] {
    return [...this.#names].filter((name) => available.get(name) === undefined);
  }

  /** Returns whether something is asked for that was not before. */
  #subscribe(names: readonly string[]): boolean {
    const star = names.includes("*");
    if (names.length > 0) this.#everNamed = true;
    const hadAll = this.#wildcard;
    // An empty list means everything only to those who never named anything; later it takes everything back.
    this.#wildcard = star || (this.#fullState && !this.#everNamed);
    const before = this.#names;
    if (names.length === before.size && names.every((name) => before.has(name))) {
      return this.#wildcard && !hadAll;
    }
    const explicit = names.filter((name) => name !== "*").sort();
    this.#names = new Set(explicit);
    this.#namesKey = explicit.join("\n");
    return (this.#wildcard && !hadAll) || explicit.some((name) => !before.has(name));
  }
}
