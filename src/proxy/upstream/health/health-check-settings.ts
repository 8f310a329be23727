import { durationMs } from "../../../proto/duration.ts";
import { only, type Ledger } from "../../../proto/ledger.ts";
import type { Messages } from "../../../proto/messages.d.ts";

type HealthCheck = Messages["envoy.config.core.v3.HealthCheck"];

/** When and how often one health check of a cluster is done. Times are milliseconds. */
export interface HealthCheckSettings {
  readonly timeout: number;
  readonly initialJitter: number;
  readonly intervalJitter: number;
  readonly intervalJitterPercent: number;
  /** Failures in a row after which a host is out of use, and successes after which it is back. */
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  /** Between checks of a host that is fit, and while it is on the way to be. */
  readonly interval: number;
  readonly healthyEdgeInterval: number;
  /** The same for one that is not. */
  readonly unhealthyInterval: number;
  readonly unhealthyEdgeInterval: number;
  /** While the cluster was never used. */
  readonly noTrafficInterval: number;
  readonly noTrafficHealthyInterval: number;
  readonly reuseConnection: boolean;
  /** Port that is asked in place of the host's; 0 = the host's. */
  readonly altPort: number;
}

/** What health checks read. */
export const healthCheckLedger: Ledger = {
  "envoy.config.core.v3.HealthCheck": [
    "name",
    "timeout",
    "interval",
    "initial_jitter",
    "interval_jitter",
    "interval_jitter_percent",
    "unhealthy_threshold",
    "healthy_threshold",
    "alt_port",
    "reuse_connection",
    "http_health_check",
    "tcp_health_check",
    "grpc_health_check",
    "no_traffic_interval",
    "no_traffic_healthy_interval",
    "unhealthy_interval",
    "unhealthy_edge_interval",
    "healthy_edge_interval",
    "always_log_health_check_failures",
    "always_log_health_check_success",
  ],
  "envoy.config.core.v3.HealthCheck.Payload": "all",
  "envoy.config.core.v3.HealthCheck.HttpHealthCheck": [
    "host",
    "path",
    "request_headers_to_add",
    "request_headers_to_remove",
    "expected_statuses",
    "retriable_statuses",
    only("codec_client_type", "HTTP1", "HTTP2"),
    "method",
  ],
  "envoy.config.core.v3.HealthCheck.TcpHealthCheck": ["send", "receive"],
  "envoy.config.core.v3.HealthCheck.GrpcHealthCheck": ["service_name", "authority", "initial_metadata"],
  "envoy.config.endpoint.v3.Endpoint.HealthCheckConfig": [
    "port_value",
    "hostname",
    "address",
    "disable_active_health_check",
  ],
};

const NO_TRAFFIC_INTERVAL = 60_000;

/** The times and limits of a health check, defaults filled in. */
export function healthCheckSettings(config: HealthCheck): HealthCheckSettings {
  const interval = durationMs(config.interval, 0);
  const unhealthyInterval = durationMs(config.unhealthyInterval, interval);
  const noTrafficInterval = durationMs(config.noTrafficInterval, NO_TRAFFIC_INTERVAL);
  return {
    timeout: durationMs(config.timeout, 0),
    initialJitter: durationMs(config.initialJitter, 0),
    intervalJitter: durationMs(config.intervalJitter, 0),
    intervalJitterPercent: config.intervalJitterPercent,
    unhealthyThreshold: config.unhealthyThreshold ?? 1,
    healthyThreshold: config.healthyThreshold ?? 1,
    interval,
    healthyEdgeInterval: durationMs(config.healthyEdgeInterval, interval),
    unhealthyInterval,
    unhealthyEdgeInterval: durationMs(config.unhealthyEdgeInterval, unhealthyInterval),
    noTrafficInterval,
    noTrafficHealthyInterval: durationMs(config.noTrafficHealthyInterval, noTrafficInterval),
    reuseConnection: config.reuseConnection ?? true,
    altPort: config.altPort ?? 0,
  };
}
