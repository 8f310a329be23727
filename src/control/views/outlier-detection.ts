import type { EffectiveSettings } from "../policy/settings-for.ts";
import { duration, given, type JsonFields } from "./envoy-json.ts";

/** The fields of a cluster that eject endpoints by what proxies see of them. */
export function outlierDetection({ outlier }: EffectiveSettings): JsonFields {
  if (outlier === undefined) return {};
  const { interval_ms: interval, ejection_ms: ejection, max_ejected_percent: most } = outlier;
  const gateway = outlier.consecutive_gateway_failures;
  return {
    outlier_detection: given({
      consecutive_5xx: outlier.consecutive_5xx,
      consecutive_gateway_failure: gateway,
      enforcing_consecutive_gateway_failure: gateway === undefined ? undefined : 100,
      interval: interval === undefined ? undefined : duration(interval),
      base_ejection_time: ejection === undefined ? undefined : duration(ejection),
      max_ejection_percent: most === undefined ? undefined : Math.round(most),
      // Envoy ejects by success rate unless told not to; here it is said or it is not done.
      enforcing_success_rate: outlier.success_rate === true ? 100 : 0,
    }),
  };
}
