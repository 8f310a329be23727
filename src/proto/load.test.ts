import assert from "node:assert/strict";
import { test } from "node:test";
import { loadMessage, loadOrThrow, LoadError } from "./load.ts";
import { formatProblem } from "./problem.ts";
import { toJson, unpackAs } from "./registry.ts";

const BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap";

function load(text: string, file = "x.yaml") {
  return loadMessage(BOOTSTRAP, text, { file });
}

function lines(text: string, file?: string): string[] {
  return load(text, file).problems.map((problem) =>
    formatProblem(problem).replace(/^Cannot load "[^"]*": /, ""),
  );
}

function json(text: string, file?: string): unknown {
  const loaded = load(text, file);
  assert.deepEqual(loaded.problems, []);
  return toJson(BOOTSTRAP, loaded.message!);
}

test("loadMessage() reports all problems with line, type and field path", () => {
  const text = `node:
  idd: a
  cluster: 5
static_resources:
  clusters:
  - name: a
    type: STATIK
    connect_timeout: 5ms
  - name: b
    name: c
    per_connection_buffer_limit_bytes: -1
    type: STATIC
    cluster_type: { name: d }
`;
  const loaded = load(text);
  assert.equal(loaded.message, undefined);
  assert.deepEqual(loaded.problems.map(formatProblem), [
    'Cannot load "x.yaml": line 2: unknown field "idd" in envoy.config.core.v3.Node (did you mean "id"?) (at node.idd)',
    'Cannot load "x.yaml": line 3: field "cluster" must be a string, not the number 5 (put it in quotes) (at node.cluster)',
    'Cannot load "x.yaml": line 7: field "type" must be one of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST, not "STATIK" (did you mean "STATIC"?) (at static_resources.clusters[0].type)',
    'Cannot load "x.yaml": line 8: field "connect_timeout" must be a duration in seconds such as "0.25s", not "5ms" (at static_resources.clusters[0].connect_timeout)',
    'Cannot load "x.yaml": line 10: duplicate key "name" in envoy.config.cluster.v3.Cluster (at static_resources.clusters[1].name)',
    'Cannot load "x.yaml": line 11: field "per_connection_buffer_limit_bytes" must be a whole number from 0 to 4294967295, not -1 (at static_resources.clusters[1].per_connection_buffer_limit_bytes)',
    'Cannot load "x.yaml": line 13: "type" and "cluster_type" of envoy.config.cluster.v3.Cluster exclude each other (oneof cluster_discovery_type) (at static_resources.clusters[1].cluster_type)',
  ]);
  assert.deepEqual(
    { ...loaded.problems[0], message: "" },
    { file: "x.yaml", line: 2, column: 3, path: "node.idd", message: "" },
  );
});

test("loadMessage() reports what is wrong with an Any", () => {
  const any = (content: string) => lines(`bootstrap_extensions: [{name: a, typed_config: ${content}}]`);
  const at = "(at bootstrap_extensions[0].typed_config";
  assert.deepEqual(any("{x: 1}"), [`line 1: missing "@type" in field "typed_config" ${at})`]);
  assert.deepEqual(any('{"@type": foo.Bar}'), [
    `line 1: "@type" must be a type URL such as "type.googleapis.com/foo.Bar", not "foo.Bar" ${at}.@type)`,
  ]);
  assert.deepEqual(any('{"@type": x/foo.Bar}'), [`line 1: unknown @type "x/foo.Bar" ${at}.@type)`]);
  assert.deepEqual(any('{"@type": x/envoy.config.core.v2.Nodee}'), [
    `line 1: unknown @type "x/envoy.config.core.v2.Nodee" (did you mean "x/envoy.config.core.v3.Node"?) ${at}.@type)`,
  ]);
  assert.deepEqual(any('{"@type": x/envoy.config.core.v3.Node, id: 3}'), [
    `line 1: field "id" must be a string, not the number 3 (put it in quotes) ${at}.id)`,
  ]);
  assert.deepEqual(
    any('{"@type": x/xds.type.v3.TypedStruct, type_url: x/envoy.config.core.v3.Node, value: {idd: a}}'),
    [`line 1: unknown field "idd" in envoy.config.core.v3.Node (did you mean "id"?) ${at}.value.idd)`],
  );
});

test("loadMessage() reports texts that are no YAML or JSON", () => {
  assert.deepEqual(lines("node: {id: *x}"), ["line 1: the alias *x has no anchor before it"]);
  assert.deepEqual(lines("node: {id: a}\n---\nnode: {}\n"), [
    "line 2: only one YAML document per file is read",
  ]);
  assert.match(lines("node: {id: 'a'\n")[0]!, /^line 2: Flow map/);
  assert.deepEqual(lines('{"node": {"id": "a",}}', "x.json"), [
    'line 1: expected a key in double quotes, found "}"',
  ]);
  assert.deepEqual(lines("", "x.json"), ["line 1: expected a value, found the end"]);
  assert.deepEqual(lines("- 5"), [
    "line 1: the content (Bootstrap) must be a map with the fields of envoy.config.bootstrap.v3.Bootstrap, not a list",
  ]);
  assert.deepEqual(lines(`node: {metadata: {a: ${"[".repeat(200)}${"]".repeat(200)}}}`), [
    "line 1: nested too deeply",
  ]);
  assert.match(lines("[".repeat(50_000))[0]!, /nested too deeply|line 1/);
  assert.match(lines("[".repeat(50_000), "x.json")[0]!, /nested too deeply/);
});

test("loadMessage() refuses aliases that expand without bound", () => {
  let text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (let i = 1; i < 12; i++)
    text += `a${i}: &a${i} [${Array(10)
      .fill(`*a${i - 1}`)
      .join(", ")}]\n`;
  assert.match(lines(text)[0]!, /aliases expand to too many values/);
});

test("loadMessage() refuses aliases that nest without bound", () => {
  let text = "node:\n  metadata:\n    a0: &a0 [x]\n";
  for (let i = 1; i < 8_000; i++) text += `    a${i}: &a${i} [*a${i - 1}]\n`;
  assert.match(lines(text)[0]!, /nested too deeply|too many values/);
});

test("loadMessage() takes what Envoy's loader takes", () => {
  assert.deepEqual(json("enableDispatcherStats: on\nstats_flush_interval: {seconds: 5}"), {
    enable_dispatcher_stats: true,
    stats_flush_interval: "5s",
  });
  const cluster = (content: string) =>
    (
      json(`static_resources: {clusters: {name: a, ${content}}}`) as {
        static_resources: { clusters: object[] };
      }
    ).static_resources.clusters[0];
  assert.deepEqual(cluster("type: strict_dns"), { name: "a", type: "STRICT_DNS" });
  assert.deepEqual(cluster('type: "3"'), { name: "a", type: "EDS" });
  for (const number of ["16", '"16"', '"0x10"', "16.0", "0x10", "020", "1.6e1", "{value: 16}"]) {
    const field = `per_connection_buffer_limit_bytes: ${number}`;
    assert.deepEqual(cluster(field), { name: "a", per_connection_buffer_limit_bytes: 16 }, number);
  }
  assert.deepEqual(json("node: {id: ~, cluster: 1.5}"), { node: { cluster: "1.5" } });
  assert.deepEqual(json("node: {metadata: {a: null, b: 1.5, c: 5000000000, d: 0x10, e: yes, f: 'yes'}}"), {
    node: { metadata: { a: null, b: "1.5", c: "5000000000", d: 16, e: true, f: "yes" } },
  });
  assert.deepEqual(json('{"node": {"metadata": {"b": 1.5, "c": 5000000000}}}', "x.json"), {
    node: { metadata: { b: 1.5, c: 5_000_000_000 } },
  });
});

test("loadMessage() refuses numbers that no enum can hold", () => {
  assert.match(
    lines("static_resources: {clusters: [{name: a, lb_policy: 99999999999}]}")[0]!,
    /field "lb_policy" must be one of ROUND_ROBIN, .*, not "99999999999"/,
  );
});

test("loadMessage() resolves anchors and merge keys", () => {
  const text = `node: {id: a, locality: &here {region: r, zone: z}}
static_resources:
  clusters:
  - &base {name: a, type: STATIC, connect_timeout: 1s}
  - <<: *base
    name: b
admin: {}
cluster_manager: {local_cluster_name: a}
`;
  assert.deepEqual((json(text) as { static_resources: unknown }).static_resources, {
    clusters: [
      { name: "a", type: "STATIC", connect_timeout: "1s" },
      { name: "b", type: "STATIC", connect_timeout: "1s" },
    ],
  });
});

test("loadMessage() packs typed configs, and locate() finds fields inside them", () => {
  const text = `static_resources:
  listeners:
  - name: l
    filterChains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
`;
  const { message, source } = loadOrThrow(BOOTSTRAP, text, { file: "l.yaml" });
  const filter = message.staticResources!.listeners[0]!.filterChains[0]!.filters[0]!;
  assert.equal(filter.configType.case, "typedConfig");
  const hcm = unpackAs(
    filter.configType.value!,
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  );
  assert.equal(hcm.statPrefix, "x");
  const path = ["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config"];
  assert.deepEqual(source.locate([...path, "stat_prefix"]), { file: "l.yaml", line: 9, column: 11 });
  assert.deepEqual(source.locate([...path, "route_config", "name"]), { file: "l.yaml", line: 7, column: 9 });
  assert.deepEqual(source.locate([]), { file: "l.yaml", line: 1, column: 1 });
});

test("loadOrThrow() throws all problems", () => {
  assert.throws(
    () => loadOrThrow(BOOTSTRAP, "a: 1\nb: 2", { file: "x.yaml" }),
    (error) =>
      error instanceof LoadError && error.problems.length === 2 && error.message.split("\n").length === 2,
  );
});
