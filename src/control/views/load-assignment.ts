import type { JsonValue } from "@bufbuild/protobuf";
import type { SourcedEndpoint } from "../model.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { EffectiveSettings } from "../policy/settings-for.ts";
import { socketAddress, type JsonFields } from "./envoy-json.ts";
import { GATEWAY_MATCH } from "./upstream-tls.ts";
import type { Place, Scope } from "./scope.ts";

/** How far away endpoints are; each level is used as far as the one before cannot take the load. */
const SAME_ZONE = 0;
const SAME_REGION = 1;
const ELSEWHERE = 2;
const LEVELS = 3;

/** Endpoints of one level and one locality. */
interface Group {
  readonly level: number;
  readonly region: string;
  readonly zone: string;
  weight: number;
  readonly endpoints: JsonValue[];
}

/**
 * The endpoints of a cluster for nodes at a place. Other regions that have a front proxy are one endpoint each, as heavy as
 * what they have, in the last priority.
 * @param version only endpoints of this version; "" = all
 */
export function loadAssignment(
  name: string,
  service: string,
  version: string,
  endpoints: readonly SourcedEndpoint[],
  scope: Pick<Scope, "policy" | "place" | "ownRegionOnly">,
  { balance }: EffectiveSettings,
): JsonValue {
  const { policy, place, ownRegionOnly } = scope;
  const chosen = endpoints.filter(
    (each) =>
      (version === "" || each.version === version) &&
      !(ownRegionOnly && each.region !== "" && each.region !== place.region),
  );
  const groups = new Map<string, Group>();
  const add = (level: number, region: string, zone: string, weight: number, endpoint: JsonValue) => {
    const key = `${level}\n${region}\n${zone}`;
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { level, region, zone, weight: 0, endpoints: [] }));
    group.weight += weight;
    group.endpoints.push(endpoint);
  };
  const failover = balance?.locality === "failover";
  const remote = new Map<string, number>();
  for (const endpoint of chosen) {
    const { region, zone, weight, priority = 0 } = endpoint;
    if (isBehindGateway(region, policy, place)) {
      const fit = endpoint.health === "healthy" || endpoint.health === "degraded";
      if (fit) remote.set(region, (remote.get(region) ?? 0) + weight);
      continue;
    }
    const level = failover ? levelOf(endpoint, place) : 0;
    add(priority * LEVELS + level, region, zone, weight, lbEndpoint(endpoint));
  }
  for (const [region, { services }] of Object.entries(policy.regions)) {
    if (
      !ownRegionOnly &&
      isBehindGateway(region, policy, place) &&
      services.includes(service) &&
      !remote.has(region)
    )
      remote.set(region, 1);
  }
  const last = 1 + Math.max(ELSEWHERE, ...[...groups.values()].map((group) => group.level));
  // A front proxy answers for a service only to requests that name it, so health checks cannot ask it.
  for (const [region, weight] of remote) {
    const address = socketAddress(policy.regions[region]!.gateway);
    const endpoint = { address, health_check_config: { disable_active_health_check: true } };
    const metadata = { filter_metadata: { "envoy.transport_socket_match": GATEWAY_MATCH } };
    add(last, region, "", weight, { endpoint, load_balancing_weight: weight, metadata });
  }
  return { cluster_name: name, endpoints: inPriorities([...groups.values()]) };
}

/** Whether endpoints of a region are reached through its front proxy. */
function isBehindGateway(region: string, { regions }: MeshPolicy, place: Place): boolean {
  return region !== place.region && place.region !== "" && regions[region] !== undefined;
}

function levelOf({ region, zone }: SourcedEndpoint, place: Place): number {
  if (region !== place.region) return ELSEWHERE;
  return zone === place.zone ? SAME_ZONE : SAME_REGION;
}

/** Envoy's priorities count from 0 without gaps. */
function inPriorities(groups: readonly Group[]): JsonValue[] {
  const levels = [...new Set(groups.map(({ level }) => level))].sort((a, b) => a - b);
  // gRPC clients reject a locality without a name and pass over one without a weight; Envoy needs neither.
  return groups.map(({ level, region, zone, weight, endpoints }) => ({
    locality: { region, zone },
    ...(levels.indexOf(level) > 0 && { priority: levels.indexOf(level) }),
    load_balancing_weight: weight,
    lb_endpoints: endpoints,
  }));
}

function lbEndpoint(endpoint: SourcedEndpoint): JsonValue {
  const metadata: JsonFields = {
    ...endpoint.metadata,
    ...(endpoint.version && { version: endpoint.version }),
  };
  return {
    endpoint: { address: { socket_address: { address: endpoint.ip, port_value: endpoint.port } } },
    load_balancing_weight: endpoint.weight,
    ...(endpoint.health !== "healthy" && { health_status: endpoint.health.toUpperCase() }),
    ...(Object.keys(metadata).length > 0 && { metadata: { filter_metadata: { "envoy.lb": metadata } } }),
  };
}
