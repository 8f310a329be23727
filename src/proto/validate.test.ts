import assert from "node:assert/strict";
import { test } from "node:test";
import { loadOrThrow } from "./load.ts";
import { formatProblem } from "./problem.ts";
import { create, packNew } from "./registry.ts";
import { firstViolation, validateMessage, violationProblems } from "./validate.ts";

const BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap";

function violations(text: string) {
  const { message, source } = loadOrThrow(BOOTSTRAP, text, { file: "x.yaml" });
  return { found: validateMessage(message), source };
}

const HCM = `static_resources: {listeners: [{name: l, filter_chains: [{filters: [{name: f, typed_config: {"@type":
  type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: x,`;
const filter = (config: string) => `${HCM} route_config: {}, http_filters: [{name: a, typed_config:
  {"@type": type.googleapis.com/envoy.extensions.filters.http.${config}}}]}}]}]}]}`;
const route = (content: string) =>
  `${HCM} route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [${content}]}]}}}]}]}]}`;
const cluster = (content: string) => `static_resources: {clusters: [{name: a, ${content}}]}`;

// Each text was also given to Envoy 1.40, which prints the same (from the type at the start of the last part on).
const cases: [yaml: string, path: string, last: string][] = [
  [
    'static_resources: {clusters: [{name: ""}]}',
    "static_resources.clusters[0].name",
    "ClusterValidationError.Name: value length must be at least 1 characters",
  ],
  [
    cluster("type: 99"),
    "static_resources.clusters[0].type",
    "ClusterValidationError.Type: value must be one of the defined enum values",
  ],
  [
    cluster("connect_timeout: 0s"),
    "static_resources.clusters[0].connect_timeout",
    "ClusterValidationError.ConnectTimeout: value must be greater than 0s",
  ],
  [
    cluster("dns_refresh_rate: 0.001s"),
    "static_resources.clusters[0].dns_refresh_rate",
    "ClusterValidationError.DnsRefreshRate: value must be greater than 1ms",
  ],
  [
    "stats_flush_interval: 400s",
    "stats_flush_interval",
    "BootstrapValidationError.StatsFlushInterval: value must be inside range [1ms, 5m0s)",
  ],
  [
    cluster("load_assignment: {cluster_name: a, endpoints: [{priority: 129}]}"),
    "static_resources.clusters[0].load_assignment.endpoints[0].priority",
    "LocalityLbEndpointsValidationError.Priority: value must be less than or equal to 128",
  ],
  [
    cluster("load_assignment: {cluster_name: a, named_endpoints: {b: {address: {}}}}"),
    'static_resources.clusters[0].load_assignment.named_endpoints["b"].address',
    'field: "address", reason: is required',
  ],
  [
    cluster("common_lb_config: {healthy_panic_threshold: {value: 101}}"),
    "static_resources.clusters[0].common_lb_config.healthy_panic_threshold.value",
    "PercentValidationError.Value: value must be inside range [0, 100]",
  ],
  [
    cluster("outlier_detection: {enforcing_success_rate: 101}"),
    "static_resources.clusters[0].outlier_detection.enforcing_success_rate",
    "OutlierDetectionValidationError.EnforcingSuccessRate: value must be less than or equal to 100",
  ],
  [
    cluster('metadata: {filter_metadata: {"": {}}}'),
    'static_resources.clusters[0].metadata.filter_metadata[""]',
    "MetadataValidationError.FilterMetadata[]: value length must be at least 1 characters",
  ],
  [
    "stats_config: {histogram_bucket_settings: [{match: {exact: a}, buckets: [1, 1]}]}",
    "stats_config.histogram_bucket_settings[0].buckets[1]",
    "HistogramBucketSettingsValidationError.Buckets[1]: repeated value must contain unique items",
  ],
  [
    route("{}"),
    "route_config.virtual_hosts[0].routes[0].match",
    "RouteValidationError.Match: value is required",
  ],
  [
    route('{match: {prefix: "/"}, direct_response: {status: 99}}'),
    "route_config.virtual_hosts[0].routes[0].direct_response.status",
    "DirectResponseActionValidationError.Status: value must be inside range [200, 600)",
  ],
  [
    route('{match: {prefix: "/"}, route: {weighted_clusters: {}}}'),
    "route_config.virtual_hosts[0].routes[0].route.weighted_clusters.clusters",
    "WeightedClusterValidationError.Clusters: value must contain at least 1 item(s)",
  ],
  [
    route("{match: {path_separated_prefix: a}, non_forwarding_action: {}}"),
    "route_config.virtual_hosts[0].routes[0].match.path_separated_prefix",
    'RouteMatchValidationError.PathSeparatedPrefix: value does not match regex pattern "^[^?#]+[^?#/]$"',
  ],
  [
    `${HCM} server_name: "a\\n", route_config: {}}}]}]}]}`,
    "server_name",
    'HttpConnectionManagerValidationError.ServerName: value does not match regex pattern "^[^\\x00\\n\\r]*$"',
  ],
  [
    `${HCM} scheme_header_transformation: {scheme_to_overwrite: ftp}, route_config: {}}}]}]}]}`,
    "scheme_header_transformation.scheme_to_overwrite",
    "SchemeHeaderTransformationValidationError.SchemeToOverwrite: value must be in list [http https]",
  ],
  [
    route(
      '{match: {prefix: "/"}, route: {cluster: a, rate_limits: [{hits_addend: {format: "a%"}, actions: [{remote_address: {}}]}]}}',
    ),
    "route_config.virtual_hosts[0].routes[0].route.rate_limits[0].hits_addend.format",
    'HitsAddendValidationError.Format: value does not have prefix "%"',
  ],
  [
    filter("rbac.v3.RBAC, rules: {policies: {a: {permissions: [{any: false}], principals: [{any: true}]}}}"),
    'http_filters[0].typed_config.rules.policies["a"].permissions[0].any',
    "PermissionValidationError.Any: value must equal true",
  ],
  [
    filter("buffer.v3.Buffer"),
    "http_filters[0].typed_config.max_request_bytes",
    "BufferValidationError.MaxRequestBytes: value is required and must not be nil.",
  ],
  [
    filter(
      "tap.v3.Tap, common_config: {static_config: {match_config: {any_match: true}, output_config: {sinks: []}}}",
    ),
    "http_filters[0].typed_config.common_config.static_config.output_config.sinks",
    "OutputConfigValidationError.Sinks: value must contain exactly 1 item(s)",
  ],
  [
    cluster(
      'health_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: "/", method: CONNECT}}]',
    ),
    "static_resources.clusters[0].health_checks[0].http_health_check.method",
    "HttpHealthCheckValidationError.Method: value must not be in list [CONNECT]",
  ],
  [
    `${HCM} route_config: {}, http3_protocol_options: {quic_protocol_options: {connection_keepalive: {initial_interval: 0.0001s}}}}}]}]}]}`,
    "http3_protocol_options.quic_protocol_options.connection_keepalive.initial_interval",
    "QuicKeepAliveSettingsValidationError.InitialInterval: value must be outside range (0s, 1ms)",
  ],
];

test("validateMessage() words each kind of rule as Envoy does", () => {
  for (const [yaml, path, last] of cases) {
    const first = firstViolation(violations(yaml).found);
    assert.ok(first, yaml);
    assert.ok(first.path.endsWith(path), `${first.path} should end with ${path}`);
    assert.equal(
      first.envoyText.split(" | caused by ").at(-1)!.replace("Proto constraint validation failed (", ""),
      `${last})`,
    );
  }
});

test("validateMessage() chains the messages on the way, starting at the innermost Any", () => {
  const outer = firstViolation(violations(cluster("connect_timeout: 0s")).found);
  assert.equal(
    outer?.envoyText,
    "Proto constraint validation failed (BootstrapValidationError.StaticResources: embedded message failed validation | caused by StaticResourcesValidationError.Clusters[0]: embedded message failed validation | caused by ClusterValidationError.ConnectTimeout: value must be greater than 0s)",
  );
  const inner = firstViolation(violations(route('{match: {prefix: "/"}}')).found);
  assert.equal(
    inner?.envoyText,
    'Proto constraint validation failed (HttpConnectionManagerValidationError.RouteConfig: embedded message failed validation | caused by RouteConfigurationValidationError.VirtualHosts[0]: embedded message failed validation | caused by VirtualHostValidationError.Routes[0]: embedded message failed validation | caused by field: "action", reason: is required)',
  );
});

test("validateMessage() gives all violations, and violationProblems() their lines", () => {
  const { found, source } = violations(`static_resources:
  clusters:
  - name: ""
    connect_timeout: 0s
  - name: b
    healthChecks:
    - timeout: -1s
`);
  assert.deepEqual(violationProblems(found, source).map(formatProblem), [
    'Cannot load "x.yaml": line 3: value length must be at least 1 characters (at static_resources.clusters[0].name)',
    'Cannot load "x.yaml": line 4: value must be greater than 0s (at static_resources.clusters[0].connect_timeout)',
    'Cannot load "x.yaml": line 7: Invalid duration: Expected positive duration (at static_resources.clusters[1].health_checks[0].timeout)',
    'Cannot load "x.yaml": line 7: value is required (at static_resources.clusters[1].health_checks[0].interval)',
    'Cannot load "x.yaml": line 7: value is required (at static_resources.clusters[1].health_checks[0].unhealthy_threshold)',
    'Cannot load "x.yaml": line 7: value is required (at static_resources.clusters[1].health_checks[0].healthy_threshold)',
    'Cannot load "x.yaml": line 7: field: "health_checker", reason: is required (at static_resources.clusters[1].health_checks[0])',
  ]);
  assert.equal(firstViolation(found)?.message, "Invalid duration: Expected positive duration");
});

test("validateMessage() looks into typed structs and leaves unknown types alone", () => {
  const config = packNew("xds.type.v3.TypedStruct", {
    typeUrl: "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
    value: { max_request_bytes: 0 },
  });
  const message = create("envoy.config.core.v3.TypedExtensionConfig", { name: "a", typedConfig: config });
  assert.deepEqual(
    validateMessage(message).map((v) => [v.path, v.message, v.envoyText]),
    [
      [
        "typed_config.value.max_request_bytes",
        "value must be greater than 0",
        "Proto constraint validation failed (BufferValidationError.MaxRequestBytes: value must be greater than 0)",
      ],
    ],
  );
  message.typedConfig = { ...config, typeUrl: "type.googleapis.com/foo.Bar" };
  assert.deepEqual(validateMessage(message), []);
});
