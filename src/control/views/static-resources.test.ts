import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue } from "@bufbuild/protobuf";
import { loadPolicy } from "../policy/load-policy.ts";
import { encodeResource, type Resource } from "../xds/resource.ts";
import { withStaticResources } from "./static-resources.ts";

const LISTENER = "envoy.config.listener.v3.Listener";
const CLUSTER = "envoy.config.cluster.v3.Cluster";

function listener(name: string, address: string, port: number) {
  return { name, address: { socket_address: { address, port_value: port } } };
}

function result(policy: string): string[] {
  const { static_resources: own } = loadPolicy(policy, "mesh.yaml");
  const made: Resource[] = [
    encodeResource(CLUSTER, "users", { name: "users" }),
    encodeResource(CLUSTER, "orders", { name: "orders" }),
    encodeResource(LISTENER, "edge", listener("edge", "0.0.0.0", 80)),
    encodeResource(LISTENER, "tcp", listener("tcp", "127.0.0.1", 81)),
  ];
  const addresses = new Map([
    ["edge", "0.0.0.0:80"],
    ["tcp", "127.0.0.1:81"],
  ]);
  return withStaticResources(made, addresses, own, (type, name, json) =>
    encodeResource(type, name, json as JsonValue),
  ).map(({ name }) => name);
}

test("withStaticResources() puts the policy's own resources beside those that were made", () => {
  assert.deepEqual(result("edge: {}"), ["users", "orders", "edge", "tcp"]);
  const own = "static_resources: { clusters: [{ name: old, type: STATIC }, { name: users, type: STATIC }] }";
  assert.deepEqual(result(own), ["orders", "edge", "tcp", "old", "users"]);
  const replaced = own.replace("clusters", "conflict_behavior: overwrite, clusters");
  assert.deepEqual(result(replaced), ["edge", "tcp", "old", "users"]);
});

test("withStaticResources() leaves exactly one listener on an address", () => {
  const at = (address: string, port: number) =>
    result(
      `static_resources: { listeners: [{ name: mine, address: { socket_address: { address: ${address}, port_value: ${port} } } }] }`,
    ).slice(2);
  assert.deepEqual(at('"0.0.0.0"', 80), ["tcp", "mine"], "both on all addresses");
  assert.deepEqual(at("10.0.0.1", 80), ["tcp", "mine"], "one on all addresses");
  assert.deepEqual(at('"0.0.0.0"', 81), ["edge", "mine"]);
  assert.deepEqual(at("10.0.0.1", 81), ["edge", "tcp", "mine"], "two addresses");
  assert.deepEqual(at("10.0.0.1", 90), ["edge", "tcp", "mine"]);
});

test("loadPolicy() checks static resources against Envoy's API, with the line", () => {
  assert.throws(
    () => loadPolicy("static_resources:\n  clusters:\n    - name: a\n      lb_polcy: RANDOM\n", "mesh.yaml"),
    /line 4: static_resources\.clusters\[0\].*lb_polcy/,
  );
});
