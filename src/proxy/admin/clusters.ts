import { SafeRegex } from "../../base/safe-regex.ts";
import type { ClusterReport, HostReport } from "./admin-host.ts";
import { failedHealthCheck, hostCounts, isDegraded, isEjected, thresholdsOf } from "./cluster-figures.ts";
import { clustersJson } from "./clusters-json.ts";
import { JSON_TYPE, type AdminEndpoint } from "./endpoint.ts";

const EDS_FLAGS = {
  healthy: "",
  unhealthy: "/failed_eds_health",
  degraded: "/degraded_eds_health",
  draining: "/eds_status_draining",
} as const;

/** GET /clusters. */
export const clusters: AdminEndpoint = {
  path: "/clusters",
  help: "upstream cluster status",
  parameters: [
    {
      name: "filter",
      kind: "text",
      help: "Regular expression (Google re2) for filtering clusters by name",
    },
  ],
  handle: ({ host, query }) => {
    let reports = host.clusters();
    const pattern = query.text("filter");
    if (pattern !== undefined) {
      try {
        const regex = new SafeRegex(pattern);
        reports = reports.filter(({ name }) => regex.find(name));
      } catch {
        return { status: 400, body: "Invalid re2 regex" };
      }
    }
    return query.get("format") === "json"
      ? { contentType: JSON_TYPE, body: clustersJson(reports) }
      : { body: clustersText(reports) };
  },
};

function* clustersText(reports: readonly ClusterReport[]): Generator<string> {
  for (const report of reports) {
    const { name } = report;
    let out = `${name}::observability_name::${report.observabilityName}\n`;
    if (report.edsServiceName !== "") out += `${name}::eds_service_name::${report.edsServiceName}\n`;
    for (const [origin, figures] of Object.entries(report.rates ?? {})) {
      const kind = origin === "local" ? "local_origin_" : "";
      out += `${name}::outlier::${kind}success_rate_average::${figures.average}\n`;
      out += `${name}::outlier::${kind}success_rate_ejection_threshold::${figures.threshold}\n`;
    }
    for (const limits of thresholdsOf(report)) {
      const prefix = `${name}::${limits.priority === "HIGH" ? "high" : "default"}_priority::`;
      out += `${prefix}max_connections::${limits.maxConnections}\n`;
      out += `${prefix}max_pending_requests::${limits.maxPendingRequests}\n`;
      out += `${prefix}max_requests::${limits.maxRequests}\n`;
      out += `${prefix}max_retries::${limits.maxRetries}\n`;
    }
    out += `${name}::added_via_api::${report.addedViaApi}\n`;
    for (const host of report.hosts) out += hostText(`${name}::${host.address}::`, host);
    yield out;
  }
}

function hostText(prefix: string, host: HostReport): string {
  const { counters, gauges } = hostCounts(host);
  const counts = [...counters, ...gauges].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines: (readonly [string, string | number | boolean])[] = [
    ...counts,
    ["hostname", host.hostname],
    ["health_flags", healthFlags(host)],
    ["weight", host.weight],
    ["region", host.region],
    ["zone", host.zone],
    ["sub_zone", host.subZone],
    ["canary", host.canary],
    ["priority", host.priority],
    ["success_rate", host.successRate ?? -1],
    ["local_origin_success_rate", host.localOriginSuccessRate ?? -1],
  ];
  return lines.map(([key, value]) => `${prefix}${key}::${value}\n`).join("");
}

function healthFlags(host: HostReport): string {
  const flags =
    (failedHealthCheck(host) ? "/failed_active_hc" : "") +
    (isEjected(host) ? "/failed_outlier_check" : "") +
    EDS_FLAGS[host.health] +
    (isDegraded(host) ? "/degraded_active_hc" : "");
  return flags === "" ? "healthy" : flags;
}
