import { addressJson } from "./address-json.ts";
import type { ClusterReport, HostReport } from "./admin-host.ts";
import { failedHealthCheck, hostCounts, isDegraded, isEjected, thresholdsOf } from "./cluster-figures.ts";
import { jsonPieces } from "./json-pieces.ts";

/** envoy.admin.v3.Clusters: fields in the order of their numbers, defaults left out. */
export function clustersJson(reports: readonly ClusterReport[]): Iterable<string> {
  return jsonPieces([
    { key: "cluster_statuses", items: reports.map((report) => () => clusterStatus(report)) },
  ]);
}

function clusterStatus(report: ClusterReport): unknown {
  return {
    name: report.name,
    added_via_api: report.addedViaApi || undefined,
    success_rate_ejection_threshold: percent(report.rates?.external.threshold),
    host_statuses: report.hosts.length === 0 ? undefined : report.hosts.map((host) => hostStatus(host)),
    local_origin_success_rate_ejection_threshold: percent(report.rates?.local.threshold),
    circuit_breakers: {
      thresholds: thresholdsOf(report).map((limits) => ({
        priority: limits.priority === "HIGH" ? "HIGH" : undefined,
        max_connections: limits.maxConnections,
        max_pending_requests: limits.maxPendingRequests,
        max_requests: limits.maxRequests,
        max_retries: limits.maxRetries,
      })),
    },
    observability_name: report.observabilityName,
    eds_service_name: report.edsServiceName || undefined,
  };
}

function percent(value: number | undefined): { value: number } | undefined {
  return value === undefined || value < 0 ? undefined : { value };
}

function hostStatus(host: HostReport): unknown {
  const { counters, gauges } = hostCounts(host);
  const value = (count: number): string | undefined => (count === 0 ? undefined : String(count));
  return {
    address: addressJson(host.address),
    stats: [
      ...counters.map(([name, count]) => ({ value: value(count), name })),
      ...gauges.map(([name, count]) => ({ type: "GAUGE", value: value(count), name })),
    ],
    health_status: {
      failed_active_health_check: failedHealthCheck(host) || undefined,
      failed_outlier_check: isEjected(host) || undefined,
      failed_active_degraded_check: isDegraded(host) || undefined,
      eds_health_status: host.health.toUpperCase(),
    },
    success_rate: percent(host.successRate),
    weight: host.weight,
    hostname: host.hostname || undefined,
    priority: host.priority || undefined,
    local_origin_success_rate: percent(host.localOriginSuccessRate),
    locality: {
      region: host.region || undefined,
      zone: host.zone || undefined,
      sub_zone: host.subZone || undefined,
    },
  };
}
