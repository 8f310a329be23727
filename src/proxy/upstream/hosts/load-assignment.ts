import { isIP } from "node:net";
import type { Messages } from "../../../proto/messages.d.ts";
import { encode } from "../../../proto/registry.ts";
import type { HostSpec } from "../../link.ts";

type Assignment = Messages["envoy.config.endpoint.v3.ClusterLoadAssignment"];
type LbEndpoint = Messages["envoy.config.endpoint.v3.LbEndpoint"];
type LocalityLbEndpoints = Messages["envoy.config.endpoint.v3.LocalityLbEndpoints"];
type Address = Messages["envoy.config.core.v3.Address"];

/** Where an endpoint is: an address or a name that stands for some, or a unix socket (`path`). */
export type Place =
  | { readonly host: string; readonly port: number; readonly path?: undefined }
  | { readonly path: string };

/** Everything about a host but its state slot. */
export type HostFields = Omit<HostSpec, "slot">;

/** An endpoint of an assignment, its address not yet resolved. */
export interface PlacedEndpoint {
  readonly place: Place;
  readonly locality: LocalityLbEndpoints;
  readonly endpoint: LbEndpoint;
}

/** Percent of ClusterLoadAssignment.policy, 140 by default. */
export function overprovisioningOf(assignment: Assignment | undefined): number {
  return assignment?.policy?.overprovisioningFactor ?? 140;
}

/** Values of envoy.config.core.v3.HealthStatus; unknown counts as healthy. */
const HEALTH: readonly HostSpec["health"][] = [
  "healthy",
  "healthy",
  "unhealthy",
  "draining",
  "unhealthy",
  "degraded",
];

/**
 * The endpoints of an assignment, in its order. One whose address cannot be used is left out: `onProblem` gets the
 * reason, in Envoy's words.
 */
export function placedEndpoints(
  assignment: Assignment,
  onProblem: (reason: string) => void,
): PlacedEndpoint[] {
  const found: PlacedEndpoint[] = [];
  for (const locality of assignment.endpoints) {
    const list =
      locality.lbConfig.case === "loadBalancerEndpoints"
        ? locality.lbConfig.value.lbEndpoints
        : locality.lbEndpoints;
    for (const endpoint of list) {
      const { value, case: kind } = endpoint.hostIdentifier;
      const place = placeOf(kind === "endpoint" ? value.address : undefined);
      if (typeof place === "string") onProblem(place);
      else found.push({ place, locality, endpoint });
    }
  }
  return found;
}

/** The place in an address message, or why there is none. */
function placeOf(address: Address | undefined): Place | string {
  switch (address?.address.case) {
    case "pipe":
      return { path: address.address.value.path };
    case "socketAddress": {
      const { protocol, address: host, portSpecifier, resolverName } = address.address.value;
      if ((protocol as number) !== 0) return `endpoint ${host} is not TCP`;
      if (resolverName !== "") return `Unknown address resolver: ${resolverName}`;
      if (portSpecifier.case === "namedPort") return "IP resolver can't handle port specifier type 4";
      const port = portSpecifier.case === "portValue" ? portSpecifier.value : 0;
      return port > 65_535 ? `malformed port: ${port}` : { host, port };
    }
    default:
      return "Address must be set";
  }
}

/** Why an endpoint that must be an address is none, or undefined. */
export function addressProblem({ place }: PlacedEndpoint): string | undefined {
  return place.path !== undefined || isIP(place.host) !== 0
    ? undefined
    : `malformed IP address: ${place.host}`;
}

/**
 * A host of an endpoint at an address.
 *
 * @param ip "" for unix sockets
 */
export function hostFields({ place, locality, endpoint }: PlacedEndpoint, ip: string): HostFields {
  const identifier = endpoint.hostIdentifier;
  const named = identifier.case === "endpoint" ? identifier.value.hostname : "";
  const port = place.path === undefined ? place.port : 0;
  return {
    address: place.path ?? joinAddress(ip, port),
    ip,
    port,
    // As in Envoy, a host found by DNS is called by that name unless it has a hostname.
    hostname: named === "" && place.path === undefined && isIP(place.host) === 0 ? place.host : named,
    weight: endpoint.loadBalancingWeight ?? 1,
    priority: locality.priority,
    region: locality.locality?.region ?? "",
    zone: locality.locality?.zone ?? "",
    subZone: locality.locality?.subZone ?? "",
    localityWeight: locality.loadBalancingWeight ?? 0,
    health: HEALTH[endpoint.healthStatus] ?? "healthy",
    metadata:
      endpoint.metadata === undefined
        ? undefined
        : encode("envoy.config.core.v3.Metadata", endpoint.metadata),
    ...healthCheckOf(identifier),
  };
}

function healthCheckOf(identifier: LbEndpoint["hostIdentifier"]): Pick<HostFields, "healthCheck"> {
  const config = identifier.case === "endpoint" ? identifier.value.healthCheckConfig : undefined;
  if (config === undefined) return {};
  const address = config.address?.address;
  const socket = address?.case === "socketAddress" ? address.value : undefined;
  const port = socket?.portSpecifier.case === "portValue" ? socket.portSpecifier.value : config.portValue;
  return {
    healthCheck: {
      ip: socket?.address ?? "",
      port,
      hostname: config.hostname,
      disabled: config.disableActiveHealthCheck,
    },
  };
}

/** "ip:port", with brackets around IPv6. */
export function joinAddress(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Throws an Error with Envoy's text if an assignment cannot be used at all. */
export function checkAssignment(assignment: Assignment): void {
  const categories = assignment.policy?.dropOverloads.length ?? 0;
  if (categories > 1)
    throw new Error(`Cluster drop_overloads config has ${categories} categories. Envoy only support one.`);
}
