import { createHash } from "node:crypto";
import type { JsonValue } from "@bufbuild/protobuf";
import { encode, fromJson, TYPE_URL_PREFIX, type MessageName } from "../proto/registry.ts";

/** The resource types that are served, in the order in which they are pushed: what is pointed at goes first. */
export const RESOURCE_TYPES = [
  "envoy.config.cluster.v3.Cluster",
  "envoy.config.endpoint.v3.ClusterLoadAssignment",
  "envoy.config.listener.v3.Listener",
  "envoy.config.route.v3.RouteConfiguration",
] as const satisfies readonly MessageName[];

export type ResourceTypeName = (typeof RESOURCE_TYPES)[number];

/** One xDS resource, encoded once for all who get it. */
export interface Resource {
  readonly type: ResourceTypeName;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Hash of the content: equal content has equal versions, on every replica. */
  readonly version: string;
}

/** `type.googleapis.com/` + type name. */
export function typeUrl(type: ResourceTypeName): string {
  return TYPE_URL_PREFIX + type;
}

/** Encodes what the views describe as JSON; what did not change is not encoded again. */
export class ResourceCache {
  #current = new Map<string, { source: string; resource: Resource }>();
  #next = new Map<string, { source: string; resource: Resource }>();

  /** `scope` tells apart resources of one name that nodes see differently. */
  get(type: ResourceTypeName, name: string, json: JsonValue, scope = ""): Resource {
    const key = `${type} ${scope} ${name}`;
    const source = JSON.stringify(json);
    let entry = this.#next.get(key) ?? this.#current.get(key);
    if (entry?.source !== source) {
      const bytes = encode(type, fromJson(type, json) as never);
      entry = { source, resource: { type, name, bytes, version: hash(bytes) } };
    }
    this.#next.set(key, entry);
    return entry.resource;
  }

  /** Forgets what was not asked for since the last sweep. */
  sweep(): void {
    this.#current = this.#next;
    this.#next = new Map();
  }
}

/** Short content hash. */
export function hash(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}
