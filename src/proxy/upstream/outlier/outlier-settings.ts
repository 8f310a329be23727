import { durationMs } from "../../../proto/duration.ts";
import type { Ledger } from "../../../proto/ledger.ts";
import type { Messages } from "../../../proto/messages.d.ts";

type Config = Messages["envoy.config.cluster.v3.OutlierDetection"];

/** Why a host may be ejected, as stats name it. */
export type OutlierKind =
  | ConsecutiveKind
  | "success_rate"
  | "failure_percentage"
  | "local_origin_success_rate"
  | "local_origin_failure_percentage";
/** Found by the thread that a request runs in. */
export type ConsecutiveKind =
  | "consecutive_5xx"
  | "consecutive_gateway_failure"
  | "consecutive_local_origin_failure";

/** Outlier detection of a cluster, defaults filled in. Times are milliseconds. */
export interface OutlierSettings {
  /** Failures in a row. */
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly consecutiveLocalOriginFailure: number;
  /** Failures to connect and timeouts are judged apart from answers. */
  readonly split: boolean;
  readonly interval: number;
  readonly baseEjectionTime: number;
  readonly maxEjectionTime: number;
  readonly maxEjectionTimeJitter: number;
  /** Percent of the hosts. */
  readonly maxEjectionPercent: number;
  readonly alwaysEjectOneHost: boolean;
  /** A host that passes an active health check is used again at once. */
  readonly backWhenChecked: boolean;
  readonly successRate: {
    readonly minimumHosts: number;
    readonly requestVolume: number;
    /** Thousandths of the standard deviation. */
    readonly stdevFactor: number;
  };
  readonly failurePercentage: {
    readonly minimumHosts: number;
    readonly requestVolume: number;
    readonly threshold: number;
  };
  /** Percent of findings that lead to an ejection. */
  readonly enforcing: Readonly<Record<OutlierKind, number>>;
}

/** What outlier detection reads. */
export const outlierLedger: Ledger = {
  "envoy.config.cluster.v3.OutlierDetection": [
    "consecutive_5xx",
    "interval",
    "base_ejection_time",
    "max_ejection_percent",
    "enforcing_consecutive_5xx",
    "enforcing_success_rate",
    "success_rate_minimum_hosts",
    "success_rate_request_volume",
    "success_rate_stdev_factor",
    "consecutive_gateway_failure",
    "enforcing_consecutive_gateway_failure",
    "split_external_local_origin_errors",
    "consecutive_local_origin_failure",
    "enforcing_consecutive_local_origin_failure",
    "enforcing_local_origin_success_rate",
    "failure_percentage_threshold",
    "enforcing_failure_percentage",
    "enforcing_failure_percentage_local_origin",
    "failure_percentage_minimum_hosts",
    "failure_percentage_request_volume",
    "max_ejection_time",
    "max_ejection_time_jitter",
    "always_eject_one_host",
    "successful_active_health_check_uneject_host",
  ],
};

/** Undefined when the cluster does not ask for it. */
export function outlierSettings(config: Config | undefined): OutlierSettings | undefined {
  if (config === undefined) return undefined;
  const baseEjectionTime = durationMs(config.baseEjectionTime, 30_000);
  return {
    consecutive5xx: config.consecutive5xx ?? 5,
    consecutiveGatewayFailure: config.consecutiveGatewayFailure ?? 5,
    consecutiveLocalOriginFailure: config.consecutiveLocalOriginFailure ?? 5,
    split: config.splitExternalLocalOriginErrors,
    interval: durationMs(config.interval, 10_000),
    baseEjectionTime,
    maxEjectionTime: Math.max(baseEjectionTime, durationMs(config.maxEjectionTime, 300_000)),
    maxEjectionTimeJitter: durationMs(config.maxEjectionTimeJitter, 0),
    maxEjectionPercent: Math.min(100, config.maxEjectionPercent ?? 10),
    alwaysEjectOneHost: config.alwaysEjectOneHost ?? false,
    backWhenChecked: config.successfulActiveHealthCheckUnejectHost ?? true,
    successRate: {
      minimumHosts: config.successRateMinimumHosts ?? 5,
      requestVolume: config.successRateRequestVolume ?? 100,
      stdevFactor: config.successRateStdevFactor ?? 1900,
    },
    failurePercentage: {
      minimumHosts: config.failurePercentageMinimumHosts ?? 5,
      requestVolume: config.failurePercentageRequestVolume ?? 50,
      threshold: config.failurePercentageThreshold ?? 85,
    },
    enforcing: {
      consecutive_5xx: config.enforcingConsecutive5xx ?? 100,
      consecutive_gateway_failure: config.enforcingConsecutiveGatewayFailure ?? 0,
      consecutive_local_origin_failure: config.enforcingConsecutiveLocalOriginFailure ?? 100,
      success_rate: config.enforcingSuccessRate ?? 100,
      failure_percentage: config.enforcingFailurePercentage ?? 0,
      local_origin_success_rate: config.enforcingLocalOriginSuccessRate ?? 100,
      local_origin_failure_percentage: config.enforcingFailurePercentageLocalOrigin ?? 0,
    },
  };
}
