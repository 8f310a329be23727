import type { HttpFilterDef } from "../../proxy/api.ts";
import { headerMatcherLedger } from "../../proxy/matcher/header-matcher.ts";
import { runtimeFractionLedger } from "../../proxy/matcher/runtime-fraction.ts";
import { FaultFilter, FaultStats } from "./fault/fault-filter.ts";
import { FaultSettings } from "./fault/fault-settings.ts";

/** envoy.filters.http.fault: delays and aborts requests on purpose. */
export const fault: HttpFilterDef<
  "envoy.extensions.filters.http.fault.v3.HTTPFault",
  "envoy.extensions.filters.http.fault.v3.HTTPFault"
> = {
  name: "envoy.filters.http.fault",
  config: "envoy.extensions.filters.http.fault.v3.HTTPFault",
  perRoute: "envoy.extensions.filters.http.fault.v3.HTTPFault",
  ledger: {
    ...headerMatcherLedger,
    ...runtimeFractionLedger,
    "envoy.extensions.filters.http.fault.v3.HTTPFault": [
      "delay",
      "abort",
      "upstream_cluster",
      "headers",
      "downstream_nodes",
      "max_active_faults",
      "delay_percent_runtime",
      "abort_percent_runtime",
      "delay_duration_runtime",
      "abort_http_status_runtime",
      "max_active_faults_runtime",
      "abort_grpc_status_runtime",
      "disable_downstream_cluster_stats",
    ],
    "envoy.extensions.filters.http.fault.v3.FaultAbort": "all",
    "envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort": "all",
    "envoy.extensions.filters.common.fault.v3.FaultDelay": ["fixed_delay", "header_delay", "percentage"],
    "envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay": "all",
  },
  create(config, context) {
    const settings = new FaultSettings(config);
    const stats = new FaultStats(context.scope);
    return (stream) => new FaultFilter(stream, settings, stats, context);
  },
  createPerRoute: (config) => new FaultSettings(config),
};
