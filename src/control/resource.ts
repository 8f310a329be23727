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

/** Encodes one resource that is described as protobuf JSON. Throws an Error for JSON that is not of the type. */
export function encodeResource(type: ResourceTypeName, name: string, json: JsonValue): Resource {
  const bytes = encode(type, fromJson(type, json) as never);
  return { type, name, bytes, version: hash(bytes) };
}

/** Encodes what a view describes as JSON; what did not change is not encoded again. */
export class ResourceCache {
  #current = new Map<string, { source: string; resource: Resource }>();
  #next = new Map<string, { source: string; resource: Resource }>();

  get(type: ResourceTypeName, name: string, json: JsonValue): Resource {
    const key = `${type} ${name}`;
    const source = JSON.stringify(json);
    let entry = this.#current.get(key);
    if (entry?.source !== source) entry = { source, resource: encodeResource(type, name, json) };
    this.#next.set(key, entry);
    return entry.resource;
  }

  /** To be called when everything was asked for: forgets what was not. */
  sweep(): void {
    this.#current = this.#next;
    this.#next = new Map();
  }
}

/** Short content hash. */
export function hash(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}
