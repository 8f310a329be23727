import type { JsonValue } from "@bufbuild/protobuf";
import type { EffectiveSettings } from "../policy/settings-for.ts";
import { duration, given, type JsonFields } from "./envoy-json.ts";

/** Between checks of what is fit and not used. */
const IDLE_INTERVAL_MS = 60_000;

/** The fields of a cluster for active health checks. */
export function healthChecks(service: string, settings: EffectiveSettings): JsonFields {
  const { health_check: check, protocol } = settings;
  if (check === undefined) return {};
  const kind = check.kind ?? (protocol === "grpc" || protocol === "tcp" ? protocol : "http");
  const interval = check.interval_ms ?? 5000;
  return {
    health_checks: [
      {
        interval: duration(interval),
        // Of services that a proxy has not used yet, those that fail are asked as often as others: by Envoy's own default
        // one that comes up late would be left out for a minute.
        no_traffic_interval: duration(interval),
        no_traffic_healthy_interval: duration(Math.max(interval, IDLE_INTERVAL_MS)),
        timeout: duration(check.timeout_ms ?? 1000),
        healthy_threshold: check.healthy_after ?? 2,
        unhealthy_threshold: check.unhealthy_after ?? 3,
        ...checker(kind, service, settings),
      },
    ],
  };
}

function checker(kind: "http" | "grpc" | "tcp", service: string, settings: EffectiveSettings): JsonFields {
  const check = settings.health_check!;
  if (kind === "tcp") return { tcp_health_check: {} };
  if (kind === "grpc") return { grpc_health_check: given({ service_name: check.grpc_service }) };
  const { protocol } = settings;
  return {
    http_health_check: {
      host: check.host ?? service,
      path: check.path ?? "/",
      ...(check.statuses !== undefined && { expected_statuses: check.statuses.map(statusRange) }),
      ...((protocol === "http2" || protocol === "grpc") && { codec_client_type: "HTTP2" }),
    },
  };
}

/** "200-299" with its end, as Envoy's ranges are without. */
function statusRange(text: string): JsonValue {
  const [start, end = start] = text.split("-").map(Number);
  return { start: String(start), end: String(end! + 1) };
}
