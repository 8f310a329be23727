// The pieces that several views are made of, in the JSON form of Envoy's v3 messages.
import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { SourcedEndpoint } from "../model.ts";
import type { Resource } from "../resource.ts";
import { duration, socketAddress, typed, type ViewInput } from "./view.ts";

/** Every hop logs the same request id and trace context. */
const ACCESS_LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  "%RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% " +
  "request_id=%REQ(X-REQUEST-ID)% traceparent=%REQ(TRACEPARENT)% authority=%REQ(:AUTHORITY)% upstream=%UPSTREAM_HOST%\n";

const MAX_RETRIES = 128;

const adsSource: JsonValue = { ads: {}, resource_api_version: "V3" };

/** A cluster that gets its endpoints from us, and those endpoints. */
export function serviceResources(input: ViewInput, service: string): Resource[] {
  const cluster = {
    name: service,
    type: "EDS",
    eds_cluster_config: { eds_config: adsSource },
    connect_timeout: duration(input.policy.connect_timeout_ms),
    lb_policy: "ROUND_ROBIN",
    // Envoy's default of 3 retries at a time turns the loss of one endpoint into errors under any real load.
    circuit_breakers: { thresholds: [{ max_retries: MAX_RETRIES }] },
  };
  return [
    input.cache.get("envoy.config.cluster.v3.Cluster", service, cluster),
    input.cache.get("envoy.config.endpoint.v3.ClusterLoadAssignment", service, {
      cluster_name: service,
      endpoints: localities(input.catalog.get(service) ?? []),
    }),
  ];
}

/** A cluster of one fixed address. */
export function addressCluster(name: string, address: string, policy: MeshPolicy): Record<string, JsonValue> {
  const endpoint = { endpoint: { address: socketAddress(address) } };
  return {
    name,
    type: /^[\d.]+:\d+$|^\[/.test(address) ? "STATIC" : "STRICT_DNS",
    connect_timeout: duration(policy.connect_timeout_ms),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  };
}

/** One HTTP listener. `routes` is the name of a route configuration of ours, or an inline one. */
export function httpListener(
  name: string,
  address: string,
  policy: MeshPolicy,
  manager: {
    readonly useRemoteAddress: boolean;
    readonly trustedHops?: number;
    readonly routes: string | JsonValue;
    readonly filters?: readonly JsonValue[];
  },
): Record<string, JsonValue> {
  const routes: Record<string, JsonValue> =
    typeof manager.routes === "string"
      ? { rds: { route_config_name: manager.routes, config_source: adsSource } }
      : { route_config: manager.routes };
  const connectionManager = typed(
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    {
      stat_prefix: name,
      ...routes,
      use_remote_address: manager.useRemoteAddress,
      ...(manager.trustedHops ? { xff_num_trusted_hops: manager.trustedHops } : {}),
      normalize_path: true,
      merge_slashes: true,
      http_filters: [
        ...(manager.filters ?? []),
        {
          name: "envoy.filters.http.router",
          typed_config: typed("envoy.extensions.filters.http.router.v3.Router"),
        },
      ],
      ...accessLog(policy.access_log),
    },
  );
  return {
    name,
    address: socketAddress(address),
    filter_chains: [
      {
        filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: connectionManager }],
      },
    ],
  };
}

/** What happens when a request to a service fails before it had an answer: another endpoint is tried. */
export function retryPolicy(policy: MeshPolicy): Record<string, JsonValue> {
  if (policy.retries.attempts === 0) return {};
  return {
    retry_policy: {
      retry_on: policy.retries.on,
      num_retries: policy.retries.attempts,
      retry_host_predicate: [
        {
          name: "envoy.retry_host_predicates.previous_hosts",
          typed_config: typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
        },
      ],
      host_selection_retry_max_attempts: "5",
    },
  };
}

function accessLog(target: string): Record<string, JsonValue> {
  if (target === "off") return {};
  const log_format = { text_format_source: { inline_string: ACCESS_LOG_FORMAT } };
  return {
    access_log: [
      target === "stdout"
        ? {
            name: "envoy.access_loggers.stdout",
            typed_config: typed("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", { log_format }),
          }
        : {
            name: "envoy.access_loggers.file",
            typed_config: typed("envoy.extensions.access_loggers.file.v3.FileAccessLog", {
              path: target,
              log_format,
            }),
          },
    ],
  };
}

function localities(endpoints: readonly SourcedEndpoint[]): JsonValue[] {
  const groups = new Map<string, SourcedEndpoint[]>();
  for (const endpoint of endpoints) {
    const key = `${endpoint.priority ?? 0}\n${endpoint.region}\n${endpoint.zone}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [endpoint]);
    else group.push(endpoint);
  }
  // gRPC clients reject a locality without a name and pass over one without a weight; Envoy needs neither.
  return [...groups.values()].map((group) => ({
    locality: { region: group[0]!.region, zone: group[0]!.zone },
    ...(group[0]!.priority && { priority: group[0]!.priority }),
    load_balancing_weight: group.reduce((sum, { weight }) => sum + weight, 0),
    lb_endpoints: group.map(lbEndpoint),
  }));
}

function lbEndpoint(endpoint: SourcedEndpoint): JsonValue {
  const metadata = { ...endpoint.metadata, ...(endpoint.version && { version: endpoint.version }) };
  return {
    endpoint: { address: { socket_address: { address: endpoint.ip, port_value: endpoint.port } } },
    load_balancing_weight: endpoint.weight,
    ...(endpoint.health !== "healthy" && { health_status: endpoint.health.toUpperCase() }),
    ...(Object.keys(metadata).length > 0 && { metadata: { filter_metadata: { "envoy.lb": metadata } } }),
  };
}
