import type { MeshPolicy } from "../policy/mesh-policy.ts";
import { edgeView } from "./edge.ts";
import { grpcView } from "./grpc.ts";
import { sidecarView } from "./sidecar.ts";
import type { NodeIdentity, View } from "./view.ts";

/** The views that ship: one line each. */
export const views: readonly View[] = [edgeView, sidecarView, grpcView];

/**
 * The view of a node: what its metadata names (`weft.view`), else its user agent or cluster, else the policy's default.
 * Undefined when the node is to be refused.
 */
export function viewFor(node: NodeIdentity, policy: MeshPolicy): View | undefined {
  const named = node.weft["view"];
  if (typeof named === "string") return views.find((view) => view.name === named);
  if (node.userAgent.startsWith("gRPC")) return grpcView;
  if (node.cluster === "edge") return edgeView;
  if (node.weft["service"] !== undefined) return sidecarView;
  return views.find((view) => view.name === policy.default_view);
}
