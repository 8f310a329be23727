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
