import { createHash } from "node:crypto";
import type { JsonValue } from "@bufbuild/protobuf";
import { encode, fromJson } from "../../proto/registry.ts";
import type { ResourceTypeName } from "./resource-type.ts";

/** One xDS resource, encoded once for all who get it. */
export interface Resource {
  readonly type: ResourceTypeName;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Hash of the content: equal content has equal versions, on every replica. */
  readonly version: string;
  /** Other names by which it may be asked for: `ROUTES/HOST` of virtual hosts. */
  readonly aliases?: readonly string[];
  /** Nodes drop the resource when they hear nothing of it for this long, in milliseconds; never without. */
  readonly ttl?: number;
}

/** What a resource may have besides its content. */
export type ResourceExtras = Pick<Resource, "aliases" | "ttl">;

/** Encodes one resource that is described as protobuf JSON. Throws an Error for JSON that is not of the type. */
export function encodeResource(
  type: ResourceTypeName,
  name: string,
  json: JsonValue,
  extras: ResourceExtras = {},
): Resource {
  const bytes = encode(type, fromJson(type, json) as never);
  return { type, name, bytes, version: hash(bytes), ...extras };
}

/** Short content hash. */
export function hash(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}
