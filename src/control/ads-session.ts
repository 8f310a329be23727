import type { JsonValue } from "@bufbuild/protobuf";
import { toJson, type MessageOf } from "../proto/registry.ts";
import { RESOURCE_TYPES, typeUrl, type ResourceTypeName } from "./resource.ts";
import type { ResourceSet } from "./resource-set.ts";
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
  send(response: TypeResponse): void;
  onNack(type: ResourceTypeName, version: string, error: string): void;
  onMissing(type: ResourceTypeName, names: readonly string[]): void;
}

const CLUSTER: ResourceTypeName = "envoy.config.cluster.v3.Cluster";
const ENDPOINT: ResourceTypeName = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENER: ResourceTypeName = "envoy.config.listener.v3.Listener";
const ROUTE: ResourceTypeName = "envoy.config.route.v3.RouteConfiguration";

/** One discovery stream of one node: its subscriptions and what it was sent. No sockets: the server owns those. */
export class AdsSession {
  readonly node: NodeIdentity;
  /** Wall clock, milliseconds. */
  readonly connectedAt: number;
  readonly #subscriptions = new Map<ResourceTypeName, Subscription>();
  readonly #events: SessionEvents;
  readonly #warned = new Set<string>();
  #snapshot: Snapshot | undefined;
  #sentClusters: ResourceSet | undefined;

  constructor(node: NodeIdentity, now: number, events: SessionEvents) {
    this.node = node;
    this.connectedAt = now;
    this.#events = events;
  }

  /** Name of its view; "" until there is something to serve. */
  get view(): string {
    return this.#snapshot?.view ?? "";
  }

  get status(): TypeStatus[] {
    return [...this.#subscriptions].map(([type, subscription]) => ({
      type,
      sent: subscription.sentVersion,
      accepted: subscription.acceptedVersion,
      rejected: subscription.rejectedVersion,
      error: subscription.lastError,
      state: subscription.state,
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
    if (verdict.kind === "stale") return;
    if (verdict.kind === "nack") this.#events.onNack(type, subscription.rejectedVersion, verdict.error);
    this.#respond(type);
    // Clusters may have waited for the node to take its routes.
    if (verdict.kind === "ack" && (type === LISTENER || type === ROUTE)) this.#respond(CLUSTER);
  }

  /** Sends what is new in a snapshot: clusters, endpoints, listeners, routes, in this order. */
  push(snapshot: Snapshot): void {
    if (snapshot === this.#snapshot) return;
    this.#snapshot = snapshot;
    for (const type of RESOURCE_TYPES) this.#respond(type);
  }

  #respond(type: ResourceTypeName): void {
    const subscription = this.#subscriptions.get(type);
    const available = this.#snapshot?.sets.get(type);
    if (subscription === undefined || available === undefined) return;
    const response = subscription.respond(type === CLUSTER ? this.#clustersInUse(available) : available);
    if (response !== undefined) {
      this.#events.send(response);
      if (type === CLUSTER) this.#clustersSent(response.resources);
    }
    const missing = subscription.missing(available).filter((name) => !this.#warned.has(`${type} ${name}`));
    if (missing.length === 0) return;
    for (const name of missing) this.#warned.add(`${type} ${name}`);
    this.#events.onMissing(type, missing);
  }

  /** A node that has not taken its listeners and routes still works by older ones: it keeps the clusters they name. */
  #clustersInUse(available: ResourceSet): ResourceSet {
    const before = this.#sentClusters;
    const settled = [LISTENER, ROUTE].every((type) => {
      const subscription = this.#subscriptions.get(type);
      return subscription === undefined || subscription.state === "synced";
    });
    return settled || before === undefined ? available : available.plus(before.resources);
  }

  /** A cluster that changed warms again and waits for its endpoints: they must follow even if they are the same. */
  #clustersSent(clusters: ResourceSet): void {
    const before = this.#sentClusters;
    this.#sentClusters = clusters;
    const changed = clusters.resources.some((each) => {
      const known = before?.get(each.name);
      return known !== undefined && known.version !== each.version;
    });
    if (!changed) return;
    this.#subscriptions.get(ENDPOINT)?.invalidate();
    this.#respond(ENDPOINT);
  }
}

/** The type of a request's type URL; undefined when it is not served. */
export function servedType(url: string): ResourceTypeName | undefined {
  return RESOURCE_TYPES.find((type) => typeUrl(type) === url);
}

/** What views need to know of a node. */
export function nodeIdentity(request: DiscoveryRequest, peer: string): NodeIdentity {
  const node = request.node;
  const json =
    node === undefined ? {} : (toJson("envoy.config.core.v3.Node", node) as Record<string, JsonValue>);
  const metadata = (json["metadata"] ?? {}) as Record<string, JsonValue>;
  const weft = metadata["weft"];
  return {
    id: node?.id ?? "",
    cluster: node?.cluster ?? "",
    region: node?.locality?.region ?? "",
    zone: node?.locality?.zone ?? "",
    userAgent: node?.userAgentName ?? "",
    peer,
    metadata,
    weft:
      typeof weft === "object" && weft !== null && !Array.isArray(weft)
        ? (weft as Record<string, JsonValue>)
        : {},
  };
}
