// How proxies reach a service: its settings as Envoy's Cluster.
import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { EffectiveSettings } from "../policy/settings-for.ts";
import { adsSource, duration, given, typed, type JsonFields } from "./envoy-json.ts";
import { healthChecks } from "./health-checks.ts";
import { loadBalancing } from "./load-balancing.ts";
import { outlierDetection } from "./outlier-detection.ts";
import { patched } from "./patched.ts";
import { upstreamTls } from "./upstream-tls.ts";

const CLUSTER = "envoy.config.cluster.v3.Cluster";
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** Envoy's default of 3 retries at a time turns the loss of one endpoint into errors under any real load. */
const MAX_RETRIES = 128;

/** The cluster of a service, or of one of its versions; endpoints come from us. */
export function serviceCluster(
  name: string,
  service: string,
  settings: EffectiveSettings,
  policy: Pick<MeshPolicy, "connect_timeout_ms" | "regions">,
): JsonValue {
  const { limits } = settings;
  const gateways = Object.keys(policy.regions).length > 0;
  const cluster: JsonFields = {
    name,
    type: "EDS",
    eds_cluster_config: { eds_config: adsSource },
    connect_timeout: duration(settings.connect_timeout_ms ?? policy.connect_timeout_ms),
    ...loadBalancing(settings),
    circuit_breakers: {
      thresholds: [
        given({
          max_connections: limits?.connections,
          max_pending_requests: limits?.pending,
          max_requests: limits?.requests,
          max_retries: limits?.retries ?? MAX_RETRIES,
        }),
      ],
    },
    ...protocolOptions(settings, gateways),
    ...healthChecks(service, settings),
    ...outlierDetection(settings),
    ...upstreamTls(service, settings, gateways),
  };
  return patched(CLUSTER, cluster, settings.envoy.cluster);
}

function protocolOptions(settings: EffectiveSettings, gateways: boolean): JsonFields {
  const { protocol = "http1", connection_idle_ms: idle, tls } = settings;
  if (protocol === "tcp" || (protocol === "http1" && idle === undefined)) return {};
  const options: JsonFields = {};
  if (idle !== undefined) options["common_http_protocol_options"] = { idle_timeout: duration(idle) };
  const both = { http_protocol_options: {}, http2_protocol_options: {} };
  if (protocol === "http1") options["explicit_http_config"] = { http_protocol_options: {} };
  else if (protocol !== "auto") options["explicit_http_config"] = { http2_protocol_options: {} };
  // Front proxies agree on nothing over TLS, and Envoy wants all endpoints of a cluster to do so, or none.
  else if (tls === undefined || gateways) options["use_downstream_protocol_config"] = both;
  else options["auto_config"] = both;
  return { typed_extension_protocol_options: { [HTTP_OPTIONS]: typed(HTTP_OPTIONS, options) } };
}
