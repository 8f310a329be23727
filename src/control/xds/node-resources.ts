import type { JsonValue } from "@bufbuild/protobuf";
import { decode, toJson } from "../../proto/registry.ts";
import type { AdsSession } from "./ads-session.ts";
import { RESOURCE_TYPES, SECRET, type ResourceTypeName } from "./resource-type.ts";

/** One resource that a node is to have. */
export interface NodeResource {
  readonly name: string;
  readonly version: string;
  /** Whether the node has this version. */
  readonly accepted: boolean;
  /** In Envoy's JSON form; of a secret only its name. */
  readonly resource: JsonValue;
}

/** All that one node is to have, by type, over all streams that it has open. */
export function nodeResources(
  sessions: readonly AdsSession[],
): Partial<Record<ResourceTypeName, NodeResource[]>> {
  const found: Partial<Record<ResourceTypeName, NodeResource[]>> = {};
  for (const type of RESOURCE_TYPES) {
    const byName = new Map<string, NodeResource>();
    for (const session of sessions) {
      for (const name of session.names(type)) {
        const { resource, accepted } = session.standing(type, name);
        if (resource === undefined || byName.get(name)?.accepted === true) continue;
        const { version, bytes } = resource;
        const json = type === SECRET ? { name } : toJson(type, decode(type, bytes) as never);
        byName.set(name, { name, version, accepted: accepted === version, resource: json });
      }
    }
    if (byName.size > 0) found[type] = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  return found;
}
