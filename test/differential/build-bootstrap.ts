import { join } from "node:path";
import type { Case } from "./case.ts";
import { certificateHash, pemText } from "./certificates.ts";

/** What a case's configuration refers to: ports of its upstreams by name, and its access log. */
export interface CaseEnvironment {
  ports: ReadonlyMap<string, number>;
  logFile: string;
  /** Folder of its files. */
  folder: string;
}

type Json = Record<string, unknown>;

const types: Record<string, string> = {
  hcm: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  router: "envoy.extensions.filters.http.router.v3.Router",
  ext_authz: "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
  ext_authz_per_route: "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
  cors: "envoy.extensions.filters.http.cors.v3.Cors",
  cors_policy: "envoy.extensions.filters.http.cors.v3.CorsPolicy",
  csrf: "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
  grpc_web: "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
  grpc_http1_bridge: "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config",
  grpc_http1_reverse_bridge: "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig",
  grpc_http1_reverse_bridge_per_route:
    "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute",
  grpc_stats: "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
  tcp_grpc_log: "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
  http_grpc_log: "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
  fault: "envoy.extensions.filters.http.fault.v3.HTTPFault",
  basic_auth: "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
  basic_auth_per_route: "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute",
  local_ratelimit: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
  rbac: "envoy.extensions.filters.http.rbac.v3.RBAC",
  rbac_per_route: "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
  health_check: "envoy.extensions.filters.http.health_check.v3.HealthCheck",
  tcp_proxy: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
  echo: "envoy.extensions.filters.network.echo.v3.Echo",
  network_direct_response: "envoy.extensions.filters.network.direct_response.v3.Config",
  network_rbac: "envoy.extensions.filters.network.rbac.v3.RBAC",
  connection_limit: "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
  network_local_ratelimit: "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
  sni_cluster: "envoy.extensions.filters.network.sni_cluster.v3.SniCluster",
  network_set_filter_state: "envoy.extensions.filters.network.set_filter_state.v3.Config",
  tls_inspector: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
  http_inspector: "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
  proxy_protocol: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
  original_dst: "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
  upstream_proxy_protocol:
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
  raw_buffer: "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
  downstream_tls: "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
  upstream_tls: "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
  file_log: "envoy.extensions.access_loggers.file.v3.FileAccessLog",
  http_options: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
  static_xff: "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
  previous_hosts: "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
  route_configuration: "envoy.config.route.v3.RouteConfiguration",
  listener: "envoy.config.listener.v3.Listener",
  cluster: "envoy.config.cluster.v3.Cluster",
  assignment: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  uri_template: "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
};

/** One bootstrap with a listener, a route configuration and clusters for every case. */
export function buildBootstrap(
  cases: readonly Case[],
  environments: ReadonlyMap<Case, CaseEnvironment>,
): Json {
  const bootstrap: Json = {
    node: { id: "differential", cluster: "differential" },
    admin: { address: address(0) },
    static_resources: {
      listeners: cases.flatMap((entry) => listenerOf(entry, environments.get(entry)!)),
      clusters: cases.flatMap((entry) => clustersOf(entry, environments.get(entry)!)),
    },
  };
  return cases.reduce(
    (merged, entry) => merge(merged, expand(entry.bootstrap, entry, environments.get(entry)!) as Json),
    bootstrap,
  );
}

/** Replaces `<case>`, `<log>` (the file of the access log), `<file:name>`, `<cluster>` and `<upstream:port>` in a text. */
export function expandText(text: string, entry: Case, environment: CaseEnvironment): string {
  const pem = text.replaceAll(/<pem:([a-z-]+)>/g, (whole, name: string) => pemText(name) ?? whole);
  const hashed = pem.replaceAll(/<(sha256|spki):([a-z-]+)>/g, (whole, kind: string, name: string) => {
    return certificateHash(kind, name) ?? whole;
  });
  const named = hashed.replaceAll(/<file:([a-z0-9._-]+)>/g, (_all, name: string) =>
    join(environment.folder, name),
  );
  return named.replaceAll(/<([a-z0-9_-]+)(:port)?>/g, (whole, name: string, port: string | undefined) => {
    if (name === "case") return entry.id;
    if (name === "log") return environment.logFile;
    if (port !== undefined) return String(environment.ports.get(name) ?? whole);
    return clusterNames(entry).includes(name) ? `${entry.id}--${name}` : whole;
  });
}

/** Text of one of the case's files. */
export function fileText(content: Json | string, entry: Case, environment: CaseEnvironment): string {
  if (typeof content === "string") return expandText(content, entry, environment);
  return JSON.stringify(expand(content, entry, environment));
}

/** Puts values of `b` over `a`: objects are merged, null removes, all else is replaced. */
function merge(a: Json, b: Json): Json {
  const merged: Json = { ...a };
  for (const [key, value] of Object.entries(b)) {
    if (value === null) delete merged[key];
    else merged[key] = isObject(value) && isObject(merged[key]) ? merge(merged[key], value) : value;
  }
  return merged;
}

function clusterNames(entry: Case): string[] {
  return [...new Set([...Object.keys(entry.upstreams), ...Object.keys(entry.clusters)])];
}

function listenerOf(entry: Case, environment: CaseEnvironment): Json[] {
  if (entry.listener === null) return [];
  const defaults: Json = {
    name: entry.id,
    address: address(0),
    filter_chains: [{ filters: networkFiltersOf(entry, environment), ...tlsOf(entry) }],
    listener_filters: [
      ...(entry.tls?.match === undefined ? [] : [TLS_INSPECTOR]),
      ...entry.listener_filters.map((spec) => filterOf(spec, "listener")),
    ],
  };
  return [expand(merge(defaults, entry.listener), entry, environment) as Json];
}

const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const TLS_INSPECTOR: Json = {
  name: "tls_inspector",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
  },
};

/** What a filter chain with TLS has besides its filters. */
function tlsOf({ tls }: Case): Json {
  if (tls === undefined) return {};
  const pair = {
    certificate_chain: { inline_string: "<pem:server>" },
    private_key: { inline_string: "<pem:server-key>" },
  };
  const typed_config = {
    "@type": `${TLS}.DownstreamTlsContext`,
    ...tls.context,
    common_tls_context: { tls_certificates: [pair], ...tls.common },
  };
  return {
    transport_socket: { name: "tls", typed_config },
    ...(tls.match !== undefined && { filter_chain_match: tls.match }),
  };
}

/** The connection manager, or the case's own network filters; TCP proxies get the case's access log. */
function networkFiltersOf(entry: Case, environment: CaseEnvironment): Json[] {
  if (entry.network === undefined) return [hcmOf(entry, environment)];
  return entry.network.map((spec) => {
    const proxy = spec["tcp_proxy"] as Json | undefined;
    if (proxy === undefined) return filterOf(spec, "network");
    const tcp_proxy = { stat_prefix: "<case>", ...accessLog(entry, environment), ...proxy };
    return filterOf({ tcp_proxy }, "network");
  });
}

function hcmOf(entry: Case, environment: CaseEnvironment): Json {
  const vhosts = entry.vhosts ?? [
    {
      name: "all",
      domains: ["*"],
      routes: entry.routes ?? [{ match: { prefix: "/" }, route: { cluster: "<up>" } }],
    },
  ];
  const hcm: Json = {
    "@type": "hcm",
    stat_prefix: "<case>",
    route_config: merge({ name: "<case>", virtual_hosts: vhosts }, entry.route_config),
    http_filters: [...entry.filters, { router: {} }].map((spec) => filterOf(spec, "http")),
    ...accessLog(entry, environment),
  };
  return { name: "envoy.filters.network.http_connection_manager", typed_config: merge(hcm, entry.hcm) };
}

/** `{ ext_authz: {…} }` stands for the filter of that short name. */
function filterOf(spec: Json, kind: "http" | "network" | "listener"): Json {
  const [[short, config]] = Object.entries(spec) as [[string, Json]];
  return { name: `envoy.filters.${kind}.${short}`, typed_config: { "@type": short, ...config } };
}

function accessLog(entry: Case, environment: CaseEnvironment): Json {
  if (entry.access_log === undefined) return {};
  const config: Json = { "@type": "file_log", path: environment.logFile };
  if (typeof entry.access_log === "string") {
    config["log_format"] = { text_format_source: { inline_string: `${entry.access_log}\n` } };
  } else if (entry.access_log !== true) config["log_format"] = { json_format: entry.access_log };
  return { access_log: [{ name: "envoy.access_loggers.file", typed_config: config }] };
}

function clustersOf(entry: Case, environment: CaseEnvironment): unknown[] {
  return clusterNames(entry).map((name) => {
    const { endpoints = [name], ...rest } = entry.clusters[name] ?? {};
    const known = endpoints.filter((upstream) => environment.ports.has(upstream));
    const defaults: Json = {
      name: `<${name}>`,
      connect_timeout: "1s",
      type: "STATIC",
      ...protocolOf(entry, name),
      ...securityOf(entry, name),
      load_assignment: {
        cluster_name: `<${name}>`,
        endpoints: [
          {
            lb_endpoints: known.map((upstream) => ({
              endpoint: { address: addressOf(upstream, entry, environment) },
            })),
          },
        ],
      },
    };
    return expand(merge(defaults, rest), entry, environment);
  });
}

/** Clusters of upstreams that speak HTTP/2, or gRPC over it, do so, too. */
function protocolOf(entry: Case, name: string): Json {
  const upstream = entry.upstreams[name];
  if (typeof upstream !== "object" || !("h2" in upstream || "grpc" in upstream)) return {};
  const options = { "@type": "http_options", explicit_http_config: { http2_protocol_options: {} } };
  return { typed_extension_protocol_options: { [HTTP_OPTIONS]: options } };
}

/** Clusters of upstreams with TLS trust the cases' authority. */
function securityOf(entry: Case, name: string): Json {
  if (entry.upstream_tls[name] === undefined) return {};
  const typed_config = {
    "@type": `${TLS}.UpstreamTlsContext`,
    sni: "a.example",
    common_tls_context: { validation_context: { trusted_ca: { inline_string: "<pem:ca>" } } },
  };
  return { transport_socket: { name: "tls", typed_config } };
}

function addressOf(upstream: string, entry: Case, environment: CaseEnvironment): Json {
  const port = environment.ports.get(upstream)!;
  if (entry.addresses[upstream] === "pipe") return { pipe: { path: `<file:${upstream}.sock>` } };
  return address(port, entry.addresses[upstream] === "ipv6" ? "::1" : "127.0.0.1");
}

function address(port: number, ip = "127.0.0.1"): Json {
  return { socket_address: { address: ip, port_value: port } };
}

/** Expands names in all texts and short type names in `@type`. */
function expand(value: unknown, entry: Case, environment: CaseEnvironment): unknown {
  if (typeof value === "string") return expandText(value, entry, environment);
  if (Array.isArray(value)) return value.map((item) => expand(item, entry, environment));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const type = key === "@type" ? types[String(item)] : undefined;
      const expanded = type === undefined ? expand(item, entry, environment) : `type.googleapis.com/${type}`;
      return [expandText(key, entry, environment), expanded];
    }),
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
