// What the admin page /clusters shows of one cluster, read from the shared state.
import type { Messages } from "../../proto/messages.d.ts";
import type { StatScope } from "../../stats/stat-store.ts";
import { BREAKER_FIELDS, BREAKER_WORDS, HOST_FIELDS, HOST_WORDS, type HostSpec } from "../link.ts";
import { breakerLimits, type BreakerLimits } from "./cluster-settings.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];

/** A cluster as the main thread knows it. */
export interface ClusterSource {
  readonly message: ClusterMessage;
  readonly hosts: readonly HostSpec[];
  /** Came by CDS. */
  readonly addedViaApi: boolean;
}

/** Rows of one cluster. */
export interface ClusterRows {
  readonly name: string;
  readonly observabilityName: string;
  readonly addedViaApi: boolean;
  readonly edsServiceName: string;
  /** Limits for default and high priority. */
  readonly limits: readonly [BreakerLimits, BreakerLimits];
  readonly hosts: readonly HostRow[];
}

/** One host of a cluster. */
export interface HostRow {
  readonly spec: HostSpec;
  /** Counters and gauges in Envoy's order of names. */
  readonly stats: readonly (readonly [name: string, value: number])[];
  /** "healthy", or flags that each begin with "/". */
  readonly healthFlags: string;
}

/** Envoy's names of a host's stats; cx_active, rq_active and rq_pending_active are gauges. */
const STATS = [
  ["cx_active", HOST_FIELDS.activeConnections],
  ["cx_connect_fail", HOST_FIELDS.connectFails],
  ["cx_total", HOST_FIELDS.connectionsTotal],
  ["rq_active", HOST_FIELDS.activeRequests],
  ["rq_error", HOST_FIELDS.requestErrors],
  ["rq_pending_active", HOST_FIELDS.pendingRequests],
  ["rq_success", HOST_FIELDS.requestSuccesses],
  ["rq_timeout", HOST_FIELDS.requestTimeouts],
  ["rq_total", HOST_FIELDS.requestsTotal],
] as const;

/** Reads the rows of a cluster; `states` is the hosts' shared state. */
export function clusterRows(cluster: ClusterSource, states: Int32Array): ClusterRows {
  const { message } = cluster;
  return {
    name: message.name,
    observabilityName: message.altStatName || message.name,
    addedViaApi: cluster.addedViaApi,
    edsServiceName: message.edsClusterConfig?.serviceName ?? "",
    limits: [breakerLimits(message, 0), breakerLimits(message, 1)],
    hosts: cluster.hosts.map((spec) => ({
      spec,
      stats: STATS.map(([name, field]) => [name, readField(states, spec.slot, field)] as const),
      healthFlags: healthFlags(spec, readField(states, spec.slot, HOST_FIELDS.failed)),
    })),
  };
}

/** Lines of /clusters as Envoy prints them, each with its line feed. */
export function clusterText(rows: ClusterRows): string {
  const lines = [`observability_name::${rows.observabilityName}`];
  for (const [priority, limits] of rows.limits.entries()) {
    const prefix = priority === 0 ? "default_priority" : "high_priority";
    lines.push(
      `${prefix}::max_connections::${limits.connections}`,
      `${prefix}::max_pending_requests::${limits.pending}`,
      `${prefix}::max_requests::${limits.requests}`,
      `${prefix}::max_retries::${limits.retries}`,
    );
  }
  lines.push(`added_via_api::${rows.addedViaApi}`);
  if (rows.edsServiceName !== "") lines.push(`eds_service_name::${rows.edsServiceName}`);
  for (const { spec, stats, healthFlags: flags } of rows.hosts) {
    const shown: (readonly [string, string | number])[] = [
      ...stats,
      ["hostname", spec.hostname],
      ["health_flags", flags],
      ["weight", spec.weight],
      ["region", spec.region],
      ["zone", spec.zone],
      ["sub_zone", spec.subZone],
      ["canary", "false"],
      ["priority", spec.priority],
      ["success_rate", -1],
      ["local_origin_success_rate", -1],
    ];
    for (const [name, value] of shown) lines.push(`${spec.address}::${name}::${value}`);
  }
  return lines.map((line) => `${rows.name}::${line}\n`).join("");
}

/** Sets the gauges below "circuit_breakers." from the shared counts; call it before stats are read. */
export function refreshBreakerGauges(
  message: ClusterMessage,
  slot: number,
  counts: Int32Array,
  scope: StatScope,
): void {
  for (const priority of [0, 1] as const) {
    const limits = breakerLimits(message, priority);
    const base = slot * BREAKER_WORDS + priority * (BREAKER_WORDS / 2);
    const prefix = `circuit_breakers.${priority === 0 ? "default" : "high"}.`;
    const tracked = message.circuitBreakers?.thresholds.find((t) => t.priority === priority)?.trackRemaining;
    for (const [resource, open, remaining] of GAUGES) {
      const count = Atomics.load(counts, base + BREAKER_FIELDS[resource]);
      const limit = limits[resource];
      scope.gauge(prefix + open).set(count >= limit ? 1 : 0);
      if (tracked === true) scope.gauge(prefix + remaining).set(Math.max(0, limit - count));
    }
  }
}

const GAUGES = [
  ["connections", "cx_open", "remaining_cx"],
  ["pending", "rq_pending_open", "remaining_pending"],
  ["requests", "rq_open", "remaining_rq"],
  ["retries", "rq_retry_open", "remaining_retries"],
] as const;

function healthFlags(spec: HostSpec, failed: number): string {
  let flags = "";
  if ((failed & 1) !== 0) flags += "/failed_active_hc";
  if ((failed & 2) !== 0) flags += "/failed_outlier_check";
  if (spec.health === "unhealthy" || spec.health === "draining") flags += "/failed_eds_health";
  if (spec.health === "degraded") flags += "/degraded_eds_health";
  return flags === "" ? "healthy" : flags;
}

function readField(states: Int32Array, slot: number, field: number): number {
  return Atomics.load(states, slot * HOST_WORDS + field);
}
