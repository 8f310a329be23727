import type { JsonValue } from "@bufbuild/protobuf";
import { toJson, type MessageOf } from "../proto/registry.ts";
import { Linger } from "./linger.ts";
import { RESOURCE_TYPES, typeUrl, type Resource, type ResourceTypeName } from "./resource.ts";
import type { Snapshot } from "./snapshot.ts";
import { Subscription, type TypeResponse } from "./subscription.ts";
import type { NodeIdentity } from "./views/view.ts";

export type DiscoveryRequest = MessageOf<"envoy.service.discovery.v3.DiscoveryRequest">;

/** How one node stands with one type, for `weft control nodes`. */
export interface TypeStatus {
  readonly type: ResourceTypeName;
  readonly sent: string;
  readonly accepted: string;
  readonly rejected: string;
  readonly error: string;
  readonly state: "synced" | "pending" | "nacked";
}

/** What a session tells its owner. */
export interface SessionEvents {
  send(type: ResourceTypeName, response: TypeResponse): void;
  onNack(type: ResourceTypeName, version: string, error: string): void;
  onMissing(type: ResourceTypeName, names: readonly string[]): void;
}

const CLUSTER: ResourceTypeName = "envoy.config.cluster.v3.Cluster";
const ENDPOINT: ResourceTypeName = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENER: ResourceTypeName = "envoy.config.listener.v3.Listener";

/** One discovery stream of one node: its subscriptions and what it was sent. No sockets: the server owns those. */
export class AdsSession {
  readonly node: NodeIdentity;
  readonly connectedAt: number;
  readonly #subscriptions = new Map<ResourceTypeName, Subscription>();
  readonly #events: SessionEvents;
  readonly #linger: Linger;
  readonly #warned = new Set<string>();
  #snapshot: Snapshot | undefined;
  #sentClusters: ReadonlyMap<string, Resource> = new Map();
  view = "";

  constructor(node: NodeIdentity, now: number, lingerMs: number, events: SessionEvents) {
    this.node = node;
    this.connectedAt = now;
    this.#events = events;
    this.#linger = new Linger(lingerMs);
  }

  get status(): TypeStatus[] {
    return [...this.#subscriptions].map(([type, subscription]) => ({
      type,
      sent: subscription.sentVersion,
      accepted: subscription.acceptedVersion,
      rejected: subscription.rejectedVersion,
      error: subscription.lastError,
      state: subscription.rejectedVersion !== "" ? "nacked" : subscription.settled ? "synced" : "pending",
    }));
  }

  /** Takes a request of a type that is served. */
  receive(type: ResourceTypeName, request: DiscoveryRequest): void {
    let subscription = this.#subscriptions.get(type);
    if (subscription === undefined) {
      subscription = new Subscription(type === CLUSTER || type === LISTENER);
      this.#subscriptions.set(type, subscription);
    }
    const verdict = subscription.receive({
      versionInfo: request.versionInfo,
      responseNonce: request.responseNonce,
      resourceNames: request.resourceNames,
      error: request.errorDetail?.message,
    });
    if (verdict.kind === "nack") this.#events.onNack(type, subscription.rejectedVersion, verdict.error);
    if (verdict.kind !== "stale") this.#respond(type);
  }

  /**
   * Pushes what is new in a snapshot: clusters, endpoints, listeners, routes, in this order. Returns when to call again
   * for clusters that linger, on the clock of `now`.
   */
  push(snapshot: Snapshot, now: number): number | undefined {
    this.view = snapshot.view;
    const { snapshot: lingering, until } = this.#linger.apply(snapshot, now);
    this.#snapshot = lingering;
    for (const type of RESOURCE_TYPES) this.#respond(type);
    return until;
  }

  #respond(type: ResourceTypeName): void {
    const subscription = this.#subscriptions.get(type);
    const available = this.#snapshot?.resources.get(type);
    if (subscription === undefined || available === undefined) return;
    const response = subscription.respond(available);
    if (response !== undefined) {
      if (type === CLUSTER) this.#clustersSent(response);
      this.#events.send(type, response);
    }
    const missing = subscription.missing(available).filter((name) => !this.#warned.has(`${type} ${name}`));
    if (missing.length === 0) return;
    for (const name of missing) this.#warned.add(`${type} ${name}`);
    this.#events.onMissing(type, missing);
  }

  /** A cluster that changed warms again and waits for its endpoints: they must follow even if they are the same. */
  #clustersSent(response: TypeResponse): void {
    const changed = response.resources.some((each) => {
      const before = this.#sentClusters.get(each.name);
      return before !== undefined && before.version !== each.version;
    });
    this.#sentClusters = new Map(response.resources.map((each) => [each.name, each]));
    if (changed) this.#subscriptions.get(ENDPOINT)?.invalidate();
  }
}

/** The type of a request's type URL; undefined when it is not served. */
export function servedType(url: string): ResourceTypeName | undefined {
  return RESOURCE_TYPES.find((type) => typeUrl(type) === url);
}

/** What views need to know of a node. */
export function nodeIdentity(request: DiscoveryRequest): NodeIdentity {
  const node = request.node;
  const json =
    node === undefined ? {} : (toJson("envoy.config.core.v3.Node", node) as Record<string, JsonValue>);
  const metadata = (json["metadata"] ?? {}) as Record<string, JsonValue>;
  const weft = metadata["weft"];
  return {
    id: node?.id ?? "",
    cluster: node?.cluster ?? "",
    zone: node?.locality?.zone ?? "",
    userAgent: node?.userAgentName ?? "",
    weft:
      typeof weft === "object" && weft !== null && !Array.isArray(weft)
        ? (weft as Record<string, JsonValue>)
        : {},
  };
}
