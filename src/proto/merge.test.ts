import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeMessage } from "./merge.ts";
import { loadOrThrow } from "./load.ts";
import { toJson } from "./registry.ts";

const BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap";

function merged(base: string, over: string): unknown {
  const { message } = loadOrThrow(BOOTSTRAP, base, { file: "base.yaml" });
  mergeMessage(BOOTSTRAP, message, loadOrThrow(BOOTSTRAP, over, { file: "--config-yaml" }).message);
  return toJson(BOOTSTRAP, message);
}

test("mergeMessage() appends lists, overrides scalars and descends into messages", () => {
  assert.deepEqual(
    merged(
      "node: {id: a, cluster: c, metadata: {x: 1, y: 1}}\nstatic_resources: {clusters: [{name: a}]}\nstats_flush_interval: 5s",
      "node: {id: b, metadata: {y: 2}}\nstatic_resources: {clusters: [{name: b}]}\nstats_flush_interval: 0.5s",
    ),
    {
      node: { id: "b", cluster: "c", metadata: { x: 1, y: 2 } },
      static_resources: { clusters: [{ name: "a" }, { name: "b" }] },
      stats_flush_interval: "5.500s",
    },
  );
});

test("mergeMessage() keeps wrappers' presence and replaces the other case of a oneof", () => {
  assert.deepEqual(
    merged(
      "stats_config: {use_all_default_tags: true}\nadmin: {address: {pipe: {path: x}}}",
      "stats_config: {stats_matcher: {reject_all: true}}\nadmin: {address: {socket_address: {address: a, port_value: 0}}}",
    ),
    {
      stats_config: { use_all_default_tags: true, stats_matcher: { reject_all: true } },
      admin: { address: { socket_address: { address: "a", port_value: 0 } } },
    },
  );
});

test("SourceMap.mergedWith() finds fields in the text that decided them", () => {
  const base = loadOrThrow(
    BOOTSTRAP,
    "node: {id: a, cluster: c}\nstatic_resources: {clusters: [{name: a}]}",
    {
      file: "base.yaml",
    },
  ).source;
  const over = loadOrThrow(BOOTSTRAP, "\nstatic_resources: {clusters: [{name: b}]}\nnode: {id: b}", {
    file: "over",
  }).source;
  const merged = base.mergedWith(over);
  assert.deepEqual(merged.locate(["node", "id"]), { file: "over", line: 3, column: 8 });
  assert.deepEqual(merged.locate(["node", "cluster"]), { file: "base.yaml", line: 1, column: 15 });
  assert.deepEqual(merged.locate(["static_resources", "clusters", 0, "name"]).file, "base.yaml");
  assert.deepEqual(merged.locate(["static_resources", "clusters", 1, "name"]), {
    file: "over",
    line: 2,
    column: 32,
  });
});
