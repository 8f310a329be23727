import { matchesGlob } from "../policy/name-glob.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { NodeGroup } from "../policy/view-settings.ts";
import type { JsonValue } from "@bufbuild/protobuf";
import { encodeResource, type Resource } from "../xds/resource.ts";
import type { ResourceTypeName } from "../xds/resource-type.ts";
import { edgeKind } from "./edge.ts";
import { gatewayKind } from "./gateway.ts";
import { grpcKind } from "./grpc.ts";
import { policyTraits } from "./policy-traits.ts";
import { Scope } from "./scope.ts";
import { sidecarKind } from "./sidecar.ts";
import type { Emit, NodeIdentity, Refusal, View } from "./view.ts";
import type { ViewKind } from "./view-kind.ts";
import type { WeftLimits } from "./weft-limits.ts";

/** The views that there are without the policy defining them: one line each. */
const builtIn: Readonly<Record<string, ViewKind>> = {
  edge: edgeKind((policy) => policy.edge),
  sidecar: sidecarKind((policy) => policy.sidecar),
  grpc: grpcKind,
  gateway: gatewayKind,
};

/**
 * The view of a node, by the first of these that says one: the policy's group that its metadata names (`weft.view`), the
 * first group that matches it, the built-in view that its metadata names, its user agent (gRPC), its cluster (`edge`,
 * `gateway`), its metadata (`weft.service`), the policy's default.
 * @param weft what to leave out for `weft proxy`; nothing when undefined
 */
export function viewFor(node: NodeIdentity, policy: MeshPolicy, weft?: WeftLimits): View | Refusal {
  const chosen = groupOf(node, policy) ?? builtInOf(node, policy);
  if (chosen === undefined) return { refused: noView(node, policy) };
  if (typeof chosen === "object" && chosen.refuse !== undefined)
    return { refused: `node "${node.id}" gets nothing: ${chosen.refuse}` };
  const name = typeof chosen === "string" ? chosen : chosen.name;
  const kind = typeof chosen === "string" ? builtIn[chosen]! : kindOf(chosen);
  const limits = node.userAgent === "weft" ? weft : undefined;
  const { byPlace, byCaller } = policyTraits(policy);
  const service = isProxyOfMany(name, chosen) ? undefined : serviceOf(node);
  const caller = service ?? name;
  const place = { region: node.region, zone: node.zone };
  const parts = [
    name,
    byCaller && service !== undefined ? `for ${service}` : "",
    byPlace || name === "gateway" ? `in ${place.region}/${place.zone}` : "",
    limits === undefined ? "" : "of weft",
  ];
  const key = parts.filter((part) => part !== "").join(" ");
  return {
    key,
    name,
    shared(input) {
      const emit = emitter(
        limits,
        (type, name, json, inputs) =>
          typeof json === "function"
            ? input.cache.derive(type, name, inputs ?? [{}], json)
            : input.cache.get(type, name, json),
        key,
      );
      const { catalog, policy: current } = input;
      const { ownRegionOnly, limits: taken } = kind;
      const scope = new Scope({ catalog, policy: current, emit, place, ownRegionOnly, limits: taken });
      return kind.shared(scope, { caller });
    },
    own: (each, current) => kind.own(each, current, emitter(limits, encodeOwn)),
  };
}

function groupOf(node: NodeIdentity, policy: MeshPolicy): NodeGroup | undefined {
  const named = policy.views.find(({ name }) => name === node.weft["view"]);
  return named ?? policy.views.find((group) => isFor(group, node) && matches(group, node));
}

function builtInOf(node: NodeIdentity, policy: MeshPolicy): string | undefined {
  const named = node.weft["view"];
  if (named !== undefined)
    return typeof named === "string" && Object.hasOwn(builtIn, named) ? named : undefined;
  if (isGrpc(node)) return "grpc";
  if (node.cluster === "edge" || node.cluster === "gateway") return node.cluster;
  if (node.weft["service"] !== undefined) return "sidecar";
  return policy.default_view === "none" ? undefined : policy.default_view;
}

/** Whether nodes of this kind can do what the group is for. */
function isFor(group: NodeGroup, node: NodeIdentity): boolean {
  if (group.refuse !== undefined) return true;
  if (isGrpc(node)) return false;
  const beside = node.weft["service"] !== undefined;
  return group.sidecar === undefined ? !beside : beside;
}

function matches({ match }: NodeGroup, node: NodeIdentity): boolean {
  for (const field of ["id", "cluster", "region", "zone"] as const) {
    const pattern = match[field];
    if (pattern !== undefined && !matchesGlob(pattern, node[field])) return false;
  }
  return Object.entries(match.metadata ?? {}).every(([key, wanted]) => {
    const value = node.metadata[key];
    return typeof wanted === "string" && typeof value === "string"
      ? matchesGlob(wanted, value)
      : wanted === value;
  });
}

function kindOf(group: NodeGroup): ViewKind {
  const now = (policy: MeshPolicy) => policy.views.find(({ name }) => name === group.name) ?? group;
  return group.edge === undefined
    ? sidecarKind((policy) => now(policy).sidecar ?? group.sidecar!)
    : edgeKind((policy) => now(policy).edge ?? group.edge!);
}

function isGrpc(node: NodeIdentity): boolean {
  return node.userAgent.startsWith("gRPC");
}

function isProxyOfMany(name: string, chosen: string | NodeGroup): boolean {
  return typeof chosen === "object" ? chosen.edge !== undefined : name === "edge" || name === "gateway";
}

/** The service that a node works for, as the access rules know it. */
function serviceOf(node: NodeIdentity): string {
  const said = node.weft["service"];
  return typeof said === "string" ? said : node.cluster;
}

function emitter(limits: WeftLimits | undefined, emit: Emit, view?: string): Emit {
  return limits === undefined
    ? emit
    : (type, name, json, inputs) => {
        if (typeof json !== "function") return emit(type, name, limits.fit(type, name, json, view));
        return emit(type, name, () => limits.fit(type, name, json(), view), inputs);
      };
}

/** What one node alone has is described once. */
function encodeOwn(type: ResourceTypeName, name: string, json: JsonValue | (() => JsonValue)): Resource {
  return encodeResource(type, name, typeof json === "function" ? json() : json);
}

function noView(node: NodeIdentity, policy: MeshPolicy): string {
  const named = node.weft["view"];
  const wanted = named === undefined ? "" : ` (it asks for ${JSON.stringify(named)})`;
  const names = [...Object.keys(builtIn), ...policy.views.map(({ name }) => name)].join(", ");
  return (
    `no view for node id "${node.id}" cluster "${node.cluster}"${wanted}: ` +
    `set metadata.weft.view to one of ${names}, or default_view or views in the mesh policy`
  );
}
