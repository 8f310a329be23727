import type { DiscoveryRequest } from "./discovery-request.ts";
import type { DiscoveryProtocol } from "./discovery-response.ts";
import { Quarantine, type Rejection } from "./quarantine.ts";
import type { Resource } from "./resource.ts";
import type { ResourceChanges } from "./resource-changes.ts";
import { ResourceSet } from "./resource-set.ts";
import {
  CLUSTER,
  ENDPOINT,
  RESOURCE_TYPES,
  ROUTE,
  typeDef,
  VIRTUAL_HOST,
  type ResourceTypeName,
} from "./resource-type.ts";
import type { Snapshot } from "./snapshot.ts";
import { Subscription } from "./subscription.ts";
import type { NodeIdentity } from "../views/view.ts";

/** How one node stands with one type, for `weft control nodes`. */
export interface TypeStatus {
  readonly type: ResourceTypeName;
  readonly sent: string;
  readonly accepted: string;
  readonly rejected: string;
  readonly error: string;
  readonly state: "synced" | "pending" | "nacked";
  /** Resources that are withheld from the node because it rejected them. */
  readonly withheld: readonly Rejection[];
}

/** How one node stands with one resource. Versions are "" where there is none. */
export interface ResourceStanding {
  /** Whether the node asks for it on this stream. */
  readonly wanted: boolean;
  /** What the node is to have. */
  readonly resource: Resource | undefined;
  readonly sent: string;
  readonly accepted: string;
  /** Why a newer version is withheld from the node: it rejected it. "" when it did not. */
  readonly rejected: string;
}

/** What a session tells its owner. */
export interface SessionEvents {
  /** Sends a response; `lastNonce` must not be its nonce. Returns the nonce. */
  send(response: ResourceChanges, lastNonce: string): string;
  onNack(type: ResourceTypeName, version: string, error: string): void;
  onMissing(type: ResourceTypeName, names: readonly string[]): void;
}

/** Where a session stands with one type. */
interface TypeState {
  readonly subscription: Subscription;
  readonly quarantine: Quarantine;
  /** When the unanswered response was sent, milliseconds. */
  sentAt: number;
}

/** Routes wait this long for clusters that a node does not accept: one that never warms must not hold up all else. */
const CLUSTERS_FIRST_MS = 20_000;

const emptySets = new Map(RESOURCE_TYPES.map((type) => [type, ResourceSet.of(type, [])]));

/** One discovery stream of one node: its subscriptions and what it was sent. No sockets: the server owns those. */
export class AdsSession {
  readonly node: NodeIdentity;
  readonly protocol: DiscoveryProtocol;
  /** Wall clock, milliseconds. */
  readonly connectedAt: number;
  readonly #types = new Map<ResourceTypeName, TypeState>();
  readonly #events: SessionEvents;
  readonly #warned = new Set<string>();
  #snapshot: Snapshot | undefined;
  #nextHeartbeat = 0;
  /** Something waits for a node to accept its clusters. */
  #waits = false;
  /** Clusters are kept that are to go when the routes are settled. */
  #keeps = false;

  constructor(node: NodeIdentity, protocol: DiscoveryProtocol, now: number, events: SessionEvents) {
    this.node = node;
    this.protocol = protocol;
    this.connectedAt = now;
    this.#events = events;
  }

  /** Name of its view; "" until there is something to serve. */
  get view(): string {
    return this.#snapshot?.view ?? "";
  }

  get status(): TypeStatus[] {
    return Array.from(this.#types, ([type, { subscription, quarantine }]) => ({
      type,
      sent: subscription.sentVersion,
      accepted: subscription.acceptedVersion,
      rejected: subscription.rejectedVersion,
      error: subscription.lastError,
      state: subscription.state,
      withheld: quarantine.rejections,
    }));
  }

  standing(type: ResourceTypeName, name: string): ResourceStanding {
    const state = this.#types.get(type);
    const interest = state?.subscription.interest;
    return {
      wanted: interest !== undefined && (interest.wildcard || interest.names.has(name)),
      resource: this.#snapshot?.sets.get(type)?.get(name),
      sent: state?.subscription.sent?.get(name)?.version ?? "",
      accepted: state?.subscription.held?.get(name)?.version ?? "",
      rejected: state?.quarantine.rejections.find((each) => each.name === name)?.reason ?? "",
    };
  }

  /** Names of the resources of a type that the node is to have. */
  names(type: ResourceTypeName): string[] {
    return (this.#snapshot?.sets.get(type)?.resources ?? []).map(({ name }) => name);
  }

  /** Takes a request of a type that is served. */
  receive(type: ResourceTypeName, request: DiscoveryRequest, now: number): void {
    const state = this.#stateOf(type);
    const { subscription } = state;
    const verdict = subscription.receive(request);
    if (verdict.kind === "nack") {
      if (verdict.withhold && !verdict.rejected.heartbeat)
        subscription.again(state.quarantine.add(verdict.rejected, verdict.error, subscription.held));
      this.#events.onNack(type, subscription.rejectedVersion, verdict.error);
    }
    this.#warnOfMissing(state, request);
    if (verdict.kind === "stale" && this.protocol === "sotw") return;
    this.#respond(type, now);
    if (verdict.kind !== "ack" && verdict.kind !== "nack") return;
    // Routes may have waited for the clusters, and the removal of clusters for the routes.
    if (type === CLUSTER || type === ENDPOINT) this.#respondToWaiting(now);
    else if (this.#keeps && typeDef(type).namesClusters) this.#respondToKept(now);
  }

  /** Sends what is new in a snapshot, in the order of types: what is pointed at first. */
  push(snapshot: Snapshot, now: number): void {
    if (snapshot === this.#snapshot) return;
    const before = this.#snapshot;
    this.#snapshot = snapshot;
    for (const type of RESOURCE_TYPES) {
      if (before === undefined || before.sets.get(type) !== snapshot.sets.get(type)) this.#respond(type, now);
    }
    if (this.#keeps) this.#respondToKept(now);
  }

  /** To be called now and then: renews times to live, and lets go of what waited too long. */
  tick(now: number): void {
    if (this.#waits) this.#respondToWaiting(now);
    const ttl = this.#snapshot?.ttl;
    if (ttl === undefined || now < this.#nextHeartbeat) return;
    this.#nextHeartbeat = now + ttl / 3;
    for (const state of this.#types.values()) {
      const beat = state.subscription.heartbeat();
      if (beat !== undefined) this.#send(state, beat, now);
    }
  }

  #stateOf(type: ResourceTypeName): TypeState {
    let state = this.#types.get(type);
    if (state === undefined) {
      state = {
        subscription: new Subscription(type, this.protocol),
        quarantine: new Quarantine(),
        sentAt: 0,
      };
      this.#types.set(type, state);
    }
    return state;
  }

  #respond(type: ResourceTypeName, now: number): void {
    const state = this.#types.get(type);
    if (state === undefined || this.#snapshot === undefined) return;
    if (typeDef(type).namesClusters && this.#clustersUnderWay(now)) {
      this.#waits = true;
      return;
    }
    const { subscription } = state;
    const before = subscription.sent;
    const response = subscription.respond(this.#target(type, state));
    if (response === undefined) return;
    this.#send(state, response, now);
    if (before === undefined) return;
    if (type === CLUSTER) this.#sendAgain(ENDPOINT, changedNames(response, before), now);
    else if (type === ROUTE) this.#sendHosts(changedNames(response, before), now);
  }

  #respondToWaiting(now: number): void {
    this.#waits = false;
    for (const type of RESOURCE_TYPES) if (typeDef(type).namesClusters) this.#respond(type, now);
  }

  #respondToKept(now: number): void {
    this.#keeps = false;
    this.#respond(CLUSTER, now);
    this.#respond(ENDPOINT, now);
  }

  #send(state: TypeState, response: ResourceChanges, now: number): void {
    const { subscription } = state;
    state.sentAt = now;
    subscription.sentAs(this.#events.send(response, subscription.lastNonce));
  }

  /**
   * Whether clusters were sent that the node has not accepted yet. Envoy accepts them when they are warm, that is, have
   * their endpoints; a route to one that is not there yet would be answered 503.
   */
  #clustersUnderWay(now: number): boolean {
    const state = this.#types.get(CLUSTER);
    return state !== undefined && state.subscription.pending && now - state.sentAt < CLUSTERS_FIRST_MS;
  }

  /** What the node is to have of a type. */
  #target(type: ResourceTypeName, { subscription, quarantine }: TypeState): ResourceSet {
    const available = quarantine.apply(this.#available(type));
    if (quarantine.isEmpty && subscription.rejectedVersion !== "") subscription.settle();
    return this.#kept(type, subscription, available);
  }

  #available(type: ResourceTypeName): ResourceSet {
    return this.#snapshot!.sets.get(type) ?? emptySets.get(type)!;
  }

  /**
   * Make before break: a node that has not accepted its listeners and routes still works by older ones and keeps the
   * clusters that they name.
   */
  #kept(type: ResourceTypeName, { sent }: Subscription, available: ResourceSet): ResourceSet {
    if ((type !== CLUSTER && type !== ENDPOINT) || sent === undefined || sent === available) return available;
    const { removed } = available.changesSince(sent);
    if (removed.length === 0 || this.#routesSettled()) return available;
    this.#keeps = true;
    return available.plus(removed.map((name) => sent.get(name)!));
  }

  #routesSettled(): boolean {
    for (const [type, { subscription, quarantine }] of this.#types) {
      if (!typeDef(type).namesClusters) continue;
      if (subscription.pending || !quarantine.isEmpty) return false;
      if (subscription.sent !== undefined && subscription.sent !== this.#available(type)) return false;
    }
    return true;
  }

  /** A cluster that changed warms again and waits for its endpoints: they must follow even if they are the same. */
  #sendAgain(type: ResourceTypeName, names: readonly string[], now: number): void {
    const subscription = this.#types.get(type)?.subscription;
    if (subscription === undefined || names.length === 0) return;
    subscription.again(names);
    this.#respond(type, now);
  }

  /** Envoy forgets the virtual hosts of a route configuration that changes. */
  #sendHosts(routes: readonly string[], now: number): void {
    const subscription = this.#types.get(VIRTUAL_HOST)?.subscription;
    if (subscription === undefined || routes.length === 0) return;
    const ofRoutes = (name: string) => routes.includes(name.slice(0, name.lastIndexOf("/")));
    this.#sendAgain(VIRTUAL_HOST, [...subscription.interest.names].filter(ofRoutes), now);
  }

  #warnOfMissing({ subscription: { type } }: TypeState, { subscribe }: DiscoveryRequest): void {
    if (this.#snapshot === undefined || subscribe.names.size === 0) return;
    const missing = this.#available(type)
      .select(subscribe)
      .absent.filter((name) => !this.#warned.has(`${type} ${name}`));
    if (missing.length === 0) return;
    for (const name of missing) this.#warned.add(`${type} ${name}`);
    this.#events.onMissing(type, missing);
  }
}

/** Names of the resources in a response that the node had in another version. */
function changedNames(response: ResourceChanges, before: ResourceSet): string[] {
  const changed: string[] = [];
  for (const { name, version } of response.resources) {
    const old = before.get(name);
    if (old !== undefined && old.version !== version) changed.push(name);
  }
  return changed;
}
