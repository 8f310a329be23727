// Filters that do nothing until a route asks for them.
import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { EffectiveSettings } from "../policy/settings-for.ts";
import { duration, fraction, typed } from "./envoy-json.ts";

export const FAULT_FILTER = "envoy.filters.http.fault";
export const RATE_LIMIT_FILTER = "envoy.filters.http.local_ratelimit";

const FAULT = "envoy.extensions.filters.http.fault.v3.HTTPFault";
const RATE_LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";

/** The filters that the policy needs in listeners, wherever it is that it asks for them. */
export function trafficFilters(policy: MeshPolicy): JsonValue[] {
  const filters: JsonValue[] = [];
  if (asksFor(policy, "fault")) filters.push({ name: FAULT_FILTER, typed_config: typed(FAULT) });
  if (asksFor(policy, "rate_limit")) {
    const config = { stat_prefix: "http_local_rate_limiter" };
    filters.push({ name: RATE_LIMIT_FILTER, typed_config: typed(RATE_LIMIT, config) });
  }
  return filters;
}

export function faultConfig(fault: NonNullable<EffectiveSettings["fault"]>): JsonValue {
  const { delay_ms: delay, abort_status: status } = fault;
  return typed(FAULT, {
    ...(delay !== undefined && {
      delay: { fixed_delay: duration(delay), percentage: fraction(fault.delay_percent ?? 100) },
    }),
    ...(status !== undefined && {
      abort: { http_status: status, percentage: fraction(fault.abort_percent ?? 100) },
    }),
  });
}

export function rateLimitConfig(
  service: string,
  limit: NonNullable<EffectiveSettings["rate_limit"]>,
): JsonValue {
  const requests = limit.requests ?? 1;
  const always = { default_value: fraction(100) };
  return typed(RATE_LIMIT, {
    stat_prefix: service,
    token_bucket: {
      max_tokens: limit.burst ?? requests,
      tokens_per_fill: requests,
      fill_interval: duration(limit.per_ms ?? 1000),
    },
    filter_enabled: always,
    filter_enforced: always,
  });
}

function asksFor(policy: MeshPolicy, key: "fault" | "rate_limit"): boolean {
  const routes = [
    ...policy.edge.routes,
    ...policy.views.flatMap(({ edge }) => edge?.routes ?? []),
    ...[
      policy.defaults,
      ...policy.templates.map(({ settings }) => settings),
      ...Object.values(policy.services),
    ].flatMap((settings) => [settings, ...(settings.routes ?? [])]),
  ];
  return routes.some((each) => each[key] !== undefined && each[key] !== null);
}
