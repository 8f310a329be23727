import type { JsonValue } from "@bufbuild/protobuf";
import type { StaticResources } from "../policy/static-resources.ts";
import type { Resource } from "../xds/resource.ts";
import type { ResourceTypeName } from "../xds/resource-type.ts";
import type { Emit } from "./view.ts";

type Json = Readonly<Record<string, unknown>>;
type Field = "clusters" | "listeners" | "route_configs" | "load_assignments";

const TYPES: Readonly<Record<Field, ResourceTypeName>> = {
  clusters: "envoy.config.cluster.v3.Cluster",
  listeners: "envoy.config.listener.v3.Listener",
  route_configs: "envoy.config.route.v3.RouteConfiguration",
  load_assignments: "envoy.config.endpoint.v3.ClusterLoadAssignment",
};

/** The IP address and port that a listener of ours is on, by its name. */
export type ListenerAddresses = ReadonlyMap<string, string>;

/**
 * The resources that were made, with the policy's own. Of two with one name the policy's stays; a listener that was made
 * gives way to one of the policy's on the same port, unless both are on different addresses and neither is on all of them.
 */
export function withStaticResources(
  made: readonly Resource[],
  addresses: ListenerAddresses,
  own: StaticResources,
  emit: Emit,
): Resource[] {
  let kept = [...made];
  const added: Resource[] = [];
  for (const [field, type] of Object.entries(TYPES) as [Field, ResourceTypeName][]) {
    const list = own[field];
    if (list.length === 0) continue;
    const names = new Set(list.map((json) => nameOf(field, json)));
    const taken = field === "listeners" ? list.map(addressOf) : [];
    kept = kept.filter((each) => {
      if (each.type !== type) return true;
      if (own.conflict_behavior === "overwrite" || names.has(each.name)) return false;
      const address = addresses.get(each.name);
      return address === undefined || !taken.some((other) => overlap(other, address));
    });
    for (const json of list) added.push(emit(type, nameOf(field, json), json as JsonValue));
  }
  return [...kept, ...added];
}

function nameOf(field: Field, json: Json): string {
  const name = field === "load_assignments" ? json["cluster_name"] : json["name"];
  return typeof name === "string" ? name : "";
}

/** "IP:PORT", or "" for what is none. */
function addressOf(listener: Json): string {
  const address = listener["address"] as Json | undefined;
  const socket = address?.["socket_address"] as Json | undefined;
  const port = socket?.["port_value"];
  return typeof port === "number" ? `${String(socket?.["address"])}:${port}` : "";
}

function overlap(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [a, b].map((text) => text.lastIndexOf(":")) as [number, number];
  if (a.slice(left) !== b.slice(right)) return false;
  const everywhere = new Set(["0.0.0.0", "::", "[::]"]);
  return everywhere.has(a.slice(0, left)) || everywhere.has(b.slice(0, right));
}
