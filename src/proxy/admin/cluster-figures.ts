// What both forms of /clusters read from reports.
import { HOST_FAILED } from "../link.ts";
import type { ClusterReport, HostReport } from "./admin-host.ts";

/** Limits of one priority. */
export interface Thresholds {
  readonly priority: "DEFAULT" | "HIGH";
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
}

const DEFAULT_LIMIT = 1024;
const DEFAULT_RETRIES = 3;
/** Values of RoutingPriority. */
const PRIORITIES = { DEFAULT: 0, HIGH: 1 } as const;
/** The limits of both priorities, defaults filled in. */
export function thresholdsOf({ cluster }: ClusterReport): readonly Thresholds[] {
  return (["DEFAULT", "HIGH"] as const).map((priority) => {
    const set = cluster.circuitBreakers?.thresholds.find((each) => each.priority === PRIORITIES[priority]);
    return {
      priority,
      maxConnections: set?.maxConnections ?? DEFAULT_LIMIT,
      maxPendingRequests: set?.maxPendingRequests ?? DEFAULT_LIMIT,
      maxRequests: set?.maxRequests ?? DEFAULT_LIMIT,
      maxRetries: set?.maxRetries ?? DEFAULT_RETRIES,
    };
  });
}

export function failedHealthCheck({ failed }: HostReport): boolean {
  return (failed & HOST_FAILED.activeCheck) !== 0;
}

export function isEjected({ failed }: HostReport): boolean {
  return (failed & HOST_FAILED.outlier) !== 0;
}

/** Health checks are answered, with the wish for less. */
export function isDegraded({ failed }: HostReport): boolean {
  return (failed & HOST_FAILED.degraded) !== 0;
}

/** What a host counts, in Envoy's order: counters, then gauges. */
export function hostCounts(host: HostReport): {
  counters: readonly (readonly [string, number])[];
  gauges: readonly (readonly [string, number])[];
} {
  return {
    counters: [
      ["cx_connect_fail", host.cxConnectFail],
      ["cx_total", host.cxTotal],
      ["rq_error", host.rqError],
      ["rq_success", host.rqSuccess],
      ["rq_timeout", host.rqTimeout],
      ["rq_total", host.rqTotal],
    ],
    gauges: [
      ["cx_active", host.cxActive],
      ["rq_active", host.rqActive],
      ["rq_pending_active", host.rqPendingActive ?? 0],
    ],
  };
}
