import assert from "node:assert/strict";
import { test } from "node:test";
import type { SourcedEndpoint } from "../model.ts";
import { loadPolicy } from "./load-policy.ts";
import { settingsFor } from "./settings-for.ts";

function endpoint(metadata: Record<string, string>): SourcedEndpoint {
  const base = { ip: "10.0.0.1", port: 1, weight: 1, region: "", zone: "", version: "", source: "s" };
  return { ...base, health: "healthy", metadata };
}

const policy = loadPolicy(
  `
defaults:
  timeout_ms: 1000
  retries: { on: 5xx, attempts: 1 }
  split: { v1: 1 }
  envoy: { cluster: { lb_policy: RANDOM } }
templates:
  - services: "*-api"
    settings: { timeout_ms: 2000, retries: { attempts: 3 }, envoy: { cluster: { per_connection_buffer_limit_bytes: 1 } } }
  - labels: { tier: gold }
    settings: { timeout_ms: 3000 }
services:
  users-api: { retries: { statuses: [503], on: retriable-status-codes }, split: { v2: 1 } }
  plain-api: { retries: null, split: null }
`,
  "mesh.yaml",
);

test("settingsFor() goes from the general to the special, group by group", () => {
  assert.deepEqual(settingsFor(policy, "other", []).retries, { on: "5xx", attempts: 1 });
  const users = settingsFor(policy, "users-api", []);
  assert.equal(users.timeout_ms, 2000);
  assert.deepEqual(users.retries, { on: "retriable-status-codes", attempts: 3, statuses: [503] });
  assert.deepEqual(users.split, { v2: 1 }, "a split is one thing");
  assert.deepEqual(users.envoy.cluster, [{ lb_policy: "RANDOM" }, { per_connection_buffer_limit_bytes: 1 }]);
  const plain = settingsFor(policy, "plain-api", []);
  assert.equal(plain.retries, undefined);
  assert.equal(plain.split, undefined);
  assert.equal(plain.timeout_ms, 2000);
  assert.equal(settingsFor(policy, "users-api", []), users, "the same object for the same question");
});

test("settingsFor() selects by labels that every instance has", () => {
  const gold = endpoint({ tier: "gold" });
  assert.equal(settingsFor(policy, "a", [gold]).timeout_ms, 3000);
  assert.equal(settingsFor(policy, "a", []).timeout_ms, 3000, "without instances it stays as it was");
  assert.equal(settingsFor(policy, "a", [gold, endpoint({})]).timeout_ms, 1000);
  assert.equal(settingsFor(policy, "b", []).timeout_ms, 1000);
});
