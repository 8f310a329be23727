import { TYPE_URL_PREFIX } from "../../../proto/registry.ts";
import { addressJson } from "../address-json.ts";
import type { AdminHost, ClusterReport, HostReport } from "../admin-host.ts";
import type { Dump, DumpList } from "./config-dump-parts.ts";
import { failedHealthCheck, isEjected } from "../cluster-figures.ts";

const ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const DEFAULT_OVERPROVISIONING = 140;

/** envoy.admin.v3.EndpointsConfigDump: the hosts that clusters have now, wherever they came from. */
export function endpointsDump(host: AdminHost): Dump {
  const reports = host.clusters();
  const factors = new Map(
    host.endpointResources().map(({ name, resource }) => [name, resource.policy?.overprovisioningFactor]),
  );
  const list = (field: string, type: DumpList["type"], from: readonly ClusterReport[]): DumpList => ({
    field,
    type,
    resourceType: ASSIGNMENT,
    elements: from.map((report) => ({
      name: report.edsServiceName || report.name,
      json: () => ({ endpoint_config: assignment(report, factors.get(report.name)) }),
    })),
  });
  return {
    type: "envoy.admin.v3.EndpointsConfigDump",
    values: () => ({}),
    lists: [
      list(
        "static_endpoint_configs",
        "envoy.admin.v3.EndpointsConfigDump.StaticEndpointConfig",
        reports.filter(({ addedViaApi }) => !addedViaApi),
      ),
      list(
        "dynamic_endpoint_configs",
        "envoy.admin.v3.EndpointsConfigDump.DynamicEndpointConfig",
        reports.filter(({ addedViaApi }) => addedViaApi),
      ),
    ],
  };
}

function assignment(report: ClusterReport, factor: number | undefined): Record<string, unknown> {
  const localities = Map.groupBy(report.hosts, ({ priority, region, zone, subZone }) =>
    JSON.stringify([priority, region, zone, subZone]),
  );
  const endpoints = [...localities.values()].map((hosts) => {
    const { region, zone, subZone, priority } = hosts[0]!;
    return {
      locality: {
        region: region || undefined,
        zone: zone || undefined,
        sub_zone: subZone || undefined,
      },
      lb_endpoints: hosts.map((host) => endpoint(host)),
      load_balancing_weight: 0,
      priority: priority || undefined,
    };
  });
  return {
    "@type": TYPE_URL_PREFIX + ASSIGNMENT,
    cluster_name: report.edsServiceName || report.name,
    endpoints: endpoints.length === 0 ? undefined : endpoints,
    policy: {
      overprovisioning_factor:
        factor ?? report.cluster.loadAssignment?.policy?.overprovisioningFactor ?? DEFAULT_OVERPROVISIONING,
    },
  };
}

function endpoint(host: HostReport): Record<string, unknown> {
  const { hostname, weight } = host;
  return {
    endpoint: {
      address: addressJson(host.address),
      health_check_config: {},
      hostname: hostname || undefined,
    },
    health_status: coarseHealth(host),
    load_balancing_weight: weight,
  };
}

/** What a balancer makes of a host; draining ones count as unhealthy. */
function coarseHealth(host: HostReport): "HEALTHY" | "DEGRADED" | "UNHEALTHY" {
  if (failedHealthCheck(host) || isEjected(host)) return "UNHEALTHY";
  if (host.health === "healthy") return "HEALTHY";
  return host.health === "degraded" ? "DEGRADED" : "UNHEALTHY";
}
