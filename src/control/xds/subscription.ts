import type { DiscoveryRequest } from "./discovery-request.ts";
import type { DiscoveryProtocol } from "./discovery-response.ts";
import { Interest } from "./interest.ts";
import { ResourceChanges } from "./resource-changes.ts";
import { ResourceSet } from "./resource-set.ts";
import { SECRET, typeDef, VIRTUAL_HOST, type ResourceTypeName } from "./resource-type.ts";

/** What a request turned out to be. */
export type RequestVerdict =
  | { readonly kind: "subscribe" }
  | { readonly kind: "ack" }
  | {
      readonly kind: "nack";
      readonly error: string;
      readonly rejected: ResourceChanges;
      /** Whether the rest may be sent without what was rejected. */
      readonly withhold: boolean;
    }
  | { readonly kind: "stale" };

/**
 * One stream's subscription to one resource type (xds_protocol.rst), in either protocol. Requests and sets in, responses
 * out; no sockets, no time. The next response waits for the answer to the last: a slow client gets the newest content when
 * it is ready for it, and nothing piles up meanwhile. What a client has is known by the set it was sent last and by what
 * it asks for, not by a list of its own.
 */
export class Subscription {
  readonly type: ResourceTypeName;
  readonly #protocol: DiscoveryProtocol;
  /** Whether each response tells all there is. */
  readonly #fullState: boolean;
  #interest = Interest.none;
  #seen = false;
  #everNamed = false;
  /** The client had resources before this stream began. */
  #returned = false;
  /** Nonce of the last response, and the response while it is not answered. */
  #nonce = "";
  #awaiting: ResourceChanges | undefined;
  /** Asked for anew: to be sent even if the client was sent it before. */
  #wanted = Interest.none;
  /** An answer is due even if there is nothing in it. */
  #mustAnswer = false;
  /** What the client brought along from an earlier stream; undefined once it was compared. */
  #known: ReadonlyMap<string, string> | undefined;
  /** All that the last response stood for, and all that the client has acknowledged. */
  #sent: ResourceSet | undefined;
  #held: ResourceSet | undefined;
  acceptedVersion = "";
  rejectedVersion = "";
  lastError = "";

  constructor(type: ResourceTypeName, protocol: DiscoveryProtocol) {
    this.type = type;
    this.#protocol = protocol;
    this.#fullState = protocol === "sotw" && typeDef(type).fullState === true;
  }

  get sentVersion(): string {
    return this.#sent?.version ?? "";
  }

  /** What the client was sent last, and what it has accepted. */
  get sent(): ResourceSet | undefined {
    return this.#sent;
  }

  get held(): ResourceSet | undefined {
    return this.#held;
  }

  get interest(): Interest {
    return this.#interest;
  }

  /** Whether a response is under way that the client has not answered. */
  get pending(): boolean {
    return this.#awaiting !== undefined;
  }

  get state(): "synced" | "pending" | "nacked" {
    if (this.rejectedVersion !== "") return "nacked";
    return this.#awaiting !== undefined || this.#sent === undefined ? "pending" : "synced";
  }

  /** Nonce of the last response; a new one must differ. */
  get lastNonce(): string {
    return this.#nonce;
  }

  receive(request: DiscoveryRequest): RequestVerdict {
    const first = !this.#seen;
    const { responseNonce } = request;
    const answers = this.#awaiting !== undefined && responseNonce === this.#nonce;
    if (this.#protocol === "delta") this.#followDelta(request, first);
    else {
      if (!first && responseNonce !== this.#nonce) return { kind: "stale" };
      this.#followSotw(request);
    }
    if (first) {
      this.#seen = true;
      // A client that comes back says what it has. State of the world: it is answered all the same, to learn a nonce.
      // Incremental: who names nothing waits until it is told that there is nothing, as Envoy does with virtual hosts.
      this.#mustAnswer =
        this.#protocol === "sotw" || (request.known.size === 0 && this.#interest.names.size === 0);
      this.#known = request.known.size > 0 ? request.known : undefined;
      this.#returned = request.versionInfo !== "" || request.known.size > 0;
      this.acceptedVersion = request.versionInfo;
      return { kind: "subscribe" };
    }
    if (!answers)
      return { kind: responseNonce === "" || responseNonce === this.#nonce ? "subscribe" : "stale" };
    const answered = this.#awaiting!;
    this.#awaiting = undefined;
    if (request.error !== undefined) {
      this.rejectedVersion = answered.version;
      this.lastError = request.error;
      // A client that came back with state of an earlier stream: all but what it rejected would make it drop what it has.
      const withhold = !(this.#fullState && this.#held === undefined && this.#returned);
      // What the client has now is what it had before, as far as anybody can tell.
      if (withhold) this.#sent = this.#held;
      return { kind: "nack", error: request.error, rejected: answered, withhold };
    }
    this.#held = this.#sent;
    if (!answered.heartbeat) this.acceptedVersion = answered.version;
    return { kind: "ack" };
  }

  /** What to send now, given everything the node may have; undefined when it has it already or is not ready for it. */
  respond(available: ResourceSet): ResourceChanges | undefined {
    if (this.#awaiting !== undefined) return undefined;
    if (this.#interest.isNone) return this.#nothing(available);
    if (available === this.#sent && this.#wanted.isNone && !this.#mustAnswer) return undefined;
    const response = this.#difference(available);
    const due = this.#mustAnswer || !this.#wanted.isNone;
    const worthwhile =
      this.#protocol === "delta" || this.#fullState
        ? !response.isEmpty || (due && (this.#fullState || this.#mustAnswer))
        : // Of these types an answer tells what is, never what is not.
          response.size > 0;
    this.#wanted = Interest.none;
    this.#sent = available;
    if (!worthwhile) {
      this.#held = available;
      return undefined;
    }
    this.#mustAnswer = false;
    if (!this.#fullState) return (this.#awaiting = response);
    return (this.#awaiting = available.select(this.#interest));
  }

  /** The response goes out under this nonce. */
  sentAs(nonce: string): void {
    this.#nonce = nonce;
  }

  /** Sends these once more even if nothing changed: what they hang on was sent anew. */
  again(names: Iterable<string>): void {
    if (this.#sent === undefined) return;
    const mine = this.#interest.wildcard
      ? [...names]
      : [...names].filter((name) => this.#interest.names.has(name));
    this.#wanted = this.#wanted.with(Interest.of(mine));
  }

  /** Renews the time to live of what the client has; undefined when nothing of it has one or an answer is due. */
  heartbeat(): ResourceChanges | undefined {
    if (this.#awaiting !== undefined || this.#held === undefined || this.#held !== this.#sent)
      return undefined;
    const beat = this.#held.heartbeat.select(this.#interest);
    return beat.size === 0 ? undefined : (this.#awaiting = beat);
  }

  /** All is well again after a rejection: what was rejected is withheld or has changed. */
  settle(): void {
    this.rejectedVersion = "";
    this.lastError = "";
  }

  /** The answer to an incremental client that asks for nothing of a type that has no "everything". */
  #nothing(available: ResourceSet): ResourceChanges | undefined {
    if (this.#protocol !== "delta" || !this.#mustAnswer) return undefined;
    this.#mustAnswer = false;
    const absent = this.type === VIRTUAL_HOST ? routesWithHosts(available) : [];
    return (this.#awaiting = new ResourceChanges(this.type, available, [], { absent }));
  }

  #difference(available: ResourceSet): ResourceChanges {
    const known = this.#known;
    if (known !== undefined) {
      this.#known = undefined;
      return compareWithKnown(available, this.#interest, known);
    }
    if (this.#sent === undefined) return available.select(this.#interest);
    const changes = available.changesSince(this.#sent).select(this.#interest);
    return this.#wanted.isNone ? changes : changes.plus(available.select(this.#wanted));
  }

  #followSotw(request: DiscoveryRequest): void {
    const subscribe = this.#allowed(request.subscribe);
    if (!subscribe.isNone) this.#everNamed = true;
    // An empty list means everything only to those who never named anything; later it takes everything back.
    const implicit = subscribe.isNone && !this.#everNamed && typeDef(this.type).fullState === true;
    this.#follow(implicit ? EVERYTHING : subscribe);
  }

  #followDelta({ unsubscribe, ...request }: DiscoveryRequest, first: boolean): void {
    const subscribe = this.#allowed(request.subscribe);
    if (first && subscribe.isNone && unsubscribe.isNone) {
      if (typeDef(this.type).fullState === true) this.#follow(EVERYTHING);
      return;
    }
    if (subscribe.isNone && unsubscribe.isNone) return;
    const { wildcard } = this.#interest;
    this.#follow(this.#interest.with(subscribe).without(unsubscribe));
    // Names are sent even if the client has them: it may have forgotten. One that is given up while everything is asked
    // for is told whether it belongs to that.
    if (this.#sent === undefined) return;
    this.#wanted = this.#wanted.with(subscribe);
    if (wildcard && this.#interest.wildcard) this.#wanted = this.#wanted.with(unsubscribe);
  }

  /** Keys are given to those who know their names. */
  #allowed(interest: Interest): Interest {
    return this.type === SECRET ? interest.without(EVERYTHING) : interest;
  }

  #follow(next: Interest): void {
    const before = this.#interest;
    if (next === before) return;
    this.#interest = next;
    if (this.#sent === undefined) return;
    if (next.isNone) this.#sent = this.#held = undefined;
    else this.#wanted = this.#wanted.with(next.since(before));
  }
}

const EVERYTHING = Interest.of(["*"]);

/**
 * Envoy asks for nothing by name before the first request needs a virtual host, and yet holds its listener back until it
 * hears of the route configuration: of a host that is not there, so that each is fetched when it is needed.
 */
function routesWithHosts(hosts: ResourceSet): string[] {
  return [...new Set(hosts.resources.map(({ name }) => name.slice(0, name.lastIndexOf("/") + 1)))];
}

/** What a client that says what it has must be told. */
function compareWithKnown(
  available: ResourceSet,
  interest: Interest,
  known: ReadonlyMap<string, string>,
): ResourceChanges {
  const all = available.select(interest);
  const updated = all.resources.filter(({ name, version }) => known.get(name) !== version);
  const removed = [...known.keys()].filter((name) => available.find(name) === undefined);
  return new ResourceChanges(available.type, available, updated, { removed, absent: all.absent });
}
