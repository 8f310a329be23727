import assert from "node:assert/strict";
import { test } from "node:test";
import { ignored, only } from "./ledger.ts";
import type { Ledger } from "./ledger.ts";
import { loadOrThrow } from "./load.ts";
import { formatProblem } from "./problem.ts";
import { ledgerProblems, renderSupport } from "./support-table.ts";
import { reportUnsupported, unsupportedProblems } from "./unsupported.ts";

const cluster: Ledger = {
  "envoy.config.bootstrap.v3.Bootstrap": ["static_resources", "node"],
  "envoy.config.bootstrap.v3.Bootstrap.StaticResources": ["clusters"],
  "envoy.config.cluster.v3.Cluster": [
    "name",
    "connect_timeout",
    only("lb_policy", "ROUND_ROBIN", "RANDOM"),
    ignored("alt_stat_name", "names come from the cluster"),
    "typed_extension_protocol_options",
    "per_connection_buffer_limit_bytes",
  ],
};
const more: Ledger = {
  "envoy.config.cluster.v3.Cluster": [only("lb_policy", "LEAST_REQUEST")],
  "envoy.config.core.v3.Node": "all",
};

function report(text: string, ...ledgers: Ledger[]): string[] {
  const { message, source } = loadOrThrow("envoy.config.bootstrap.v3.Bootstrap", text, { file: "x.yaml" });
  return unsupportedProblems(reportUnsupported(message, ledgers), source).map((problem) =>
    formatProblem(problem).replace('Cannot load "x.yaml": ', ""),
  );
}

test("reportUnsupported() is silent about declared fields, values and ignored fields", () => {
  const text = `node: {id: a, locality: {}}
static_resources:
  clusters:
  - {name: a, connect_timeout: 1s, lb_policy: RANDOM, alt_stat_name: x, per_connection_buffer_limit_bytes: 0}
  - {name: b, lb_policy: LEAST_REQUEST}
`;
  assert.deepEqual(report(text, cluster, more, { "envoy.config.core.v3.Locality": "all" }), []);
});

test("reportUnsupported() names fields, values and types, inside typed configs too", () => {
  const text = `node: {id: a}
stats_flush_interval: 5s
static_resources:
  clusters:
  - name: a
    lb_policy: MAGLEV
    dns_refresh_rate: 5s
    typed_extension_protocol_options:
      a: {"@type": type.googleapis.com/envoy.config.core.v3.Locality, zone: z}
      b:
        "@type": type.googleapis.com/xds.type.v3.TypedStruct
        type_url: type.googleapis.com/envoy.config.cluster.v3.Cluster
        value: {name: x, protocol_selection: 0, upstream_bind_config: {}}
`;
  const clusters = "static_resources.clusters[0]";
  assert.deepEqual(report(text, cluster, more), [
    'line 2: field "stats_flush_interval" of envoy.config.bootstrap.v3.Bootstrap is not supported (at stats_flush_interval)',
    `line 6: field "lb_policy" of envoy.config.cluster.v3.Cluster is not supported with MAGLEV; supported: ROUND_ROBIN, RANDOM, LEAST_REQUEST (at ${clusters}.lb_policy)`,
    `line 7: field "dns_refresh_rate" of envoy.config.cluster.v3.Cluster is not supported (at ${clusters}.dns_refresh_rate)`,
    `line 9: envoy.config.core.v3.Locality is not supported (at ${clusters}.typed_extension_protocol_options["a"])`,
    `line 13: field "upstream_bind_config" of envoy.config.cluster.v3.Cluster is not supported (at ${clusters}.typed_extension_protocol_options["b"].value.upstream_bind_config)`,
  ]);
  assert.deepEqual(report("node: {}", {}), ["line 1: envoy.config.bootstrap.v3.Bootstrap is not supported"]);
});

test("renderSupport() lists supported, ignored and unsupported fields", () => {
  const table = renderSupport([
    { "envoy.config.core.v3.Locality": ["region", ignored("zone", "one zone only")] },
    more,
  ]);
  assert.equal(
    table.slice(table.indexOf("### envoy.config.core.v3.Locality")),
    `### envoy.config.core.v3.Locality

| field | supported |
| --- | --- |
| \`region\` | yes |
| \`zone\` | ignored: one zone only |

Not supported: \`sub_zone\`.

### envoy.config.core.v3.Node

All fields are supported.
`,
  );
  assert.match(table, /\| `lb_policy` \| `LEAST_REQUEST` \|/);
});

test("ledgerProblems() finds names that Envoy's API does not have", () => {
  const wrong: Ledger = { "envoy.config.cluster.v3.Cluster": ["nam", only("lb_policy", "RANDO")] };
  assert.deepEqual(ledgerProblems([wrong]), [
    "The ledger names envoy.config.cluster.v3.Cluster.nam, which is not a field of Envoy's API",
    "The ledger names RANDO, which is not a value of envoy.config.cluster.v3.Cluster.lb_policy",
  ]);
  assert.throws(() => renderSupport([wrong]), /nam/);
  assert.deepEqual(ledgerProblems([cluster, more]), []);
});

test("reportUnsupported() compares values of text and wrapper fields as they print", () => {
  const ledger: Ledger = {
    "envoy.config.bootstrap.v3.Bootstrap": ["static_resources"],
    "envoy.config.bootstrap.v3.Bootstrap.StaticResources": ["listeners"],
    "envoy.config.listener.v3.Listener": [only("enable_reuse_port", "true"), only("stat_prefix", "a")],
  };
  const text = (value: string, prefix: string) =>
    `static_resources: {listeners: [{enable_reuse_port: ${value}, stat_prefix: ${prefix}}]}`;
  assert.deepEqual(report(text("true", "a"), ledger), []);
  const found = report(text("false", "b"), ledger);
  assert.equal(found.length, 2, found.join("\n"));
  assert.match(found.join(), /"enable_reuse_port" .* is not supported with false; supported: true/);
});
