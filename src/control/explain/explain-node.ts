import type { AdsSession } from "../xds/ads-session.ts";
import type { SourcedEndpoint } from "../model.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import { settingsFor } from "../policy/settings-for.ts";
import { decode } from "../../proto/registry.ts";
import type { Resource } from "../xds/resource.ts";
import { CLUSTER, ENDPOINT } from "../xds/resource-type.ts";
import { mayCall } from "../views/scope.ts";
import type { ClusterExplanation, NodeExplanation } from "./explanation.ts";

/** What one proxy has of a service, and why it has not. */
export function explainNode(
  session: AdsSession,
  service: string,
  endpoint: string,
  policy: MeshPolicy,
  endpoints: readonly SourcedEndpoint[],
): NodeExplanation {
  const { node, view } = session;
  const names = session.names(ENDPOINT).filter((name) => name === service || name.startsWith(`${service}@`));
  const clusters = names.map((name) => explainCluster(session, name, endpoint));
  const reason = clusters.length > 0 ? "" : absence(session, service, policy, endpoints);
  return { node: node.id, view: view || "none yet", peer: node.peer, reason, clusters };
}

function explainCluster(session: AdsSession, name: string, endpoint: string): ClusterExplanation {
  const here = session.standing(ENDPOINT, name);
  const cluster = session.standing(CLUSTER, name);
  const { resource } = here;
  const version = resource?.version ?? "";
  const endpoints = resource === undefined ? 0 : countEndpoints(resource, endpoint);
  const of = (state: ClusterExplanation["state"], detail = ""): ClusterExplanation => ({
    cluster: name,
    endpoints,
    state,
    version,
    detail,
  });
  if (cluster.rejected !== "") return of("rejected", `the cluster: ${cluster.rejected}`);
  if (here.rejected !== "") return of("rejected", here.rejected);
  if (here.accepted === version && version !== "") return of("accepted");
  if (here.sent === version && version !== "") return of("sent", "the proxy has not answered yet");
  if (!here.wanted)
    return of(
      "not asked for",
      cluster.accepted === ""
        ? "the proxy has not accepted the cluster yet"
        : "the proxy does not ask for its endpoints",
    );
  return of("waiting", "the proxy has not answered what it was sent before");
}

function absence(
  { node, view }: AdsSession,
  service: string,
  policy: MeshPolicy,
  endpoints: readonly SourcedEndpoint[],
): string {
  if (view === "") return "it is not served yet";
  const own = node.weft["service"];
  const caller = typeof own === "string" ? own : view;
  const settings = settingsFor(policy, service, endpoints);
  if (!mayCall(caller, service, settings))
    return `${caller} is not among the callers of ${service} (${settings.callers?.join(", ") || "none"})`;
  return view === "edge"
    ? `no route of its edge leads to ${service}`
    : `its view has no cluster of ${service}`;
}

/** How many endpoints a ClusterLoadAssignment has, or whether it has this one. */
function countEndpoints({ bytes }: Resource, wanted: string): number {
  let count = 0;
  for (const { lbEndpoints } of decode(ENDPOINT, bytes).endpoints) {
    for (const { hostIdentifier } of lbEndpoints) {
      const address = hostIdentifier.case === "endpoint" ? hostIdentifier.value.address?.address : undefined;
      if (address?.case !== "socketAddress") continue;
      const { address: ip, portSpecifier } = address.value;
      const text = `${ip.includes(":") ? `[${ip}]` : ip}:${String(portSpecifier.value)}`;
      if (wanted === "" || text === wanted) count++;
    }
  }
  return count;
}
