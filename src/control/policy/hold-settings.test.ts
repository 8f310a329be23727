import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultHoldOptions } from "../catalog/hold.ts";
import { holdOptionsOf } from "./hold-settings.ts";
import { loadPolicy } from "./load-policy.ts";
import { settingsFor } from "./settings-for.ts";

test("holdOptionsOf() takes what the policy says of a service, and the rest as for all", () => {
  const policy = loadPolicy(
    `
defaults: { hold: { min_loss: 5 } }
templates: [{ services: "batch-*", settings: { hold: { max_ms: 0, max_loss_percent: 80 } } }]
services: { core: { hold: { max_ms: never, partial_ms: 1000, forget_ms: 2000 } } }
`,
    "mesh.yaml",
  );
  const of = (service: string) =>
    holdOptionsOf(settingsFor(policy, service, []), { ...defaultHoldOptions, maxHoldMs: 9 });
  assert.deepEqual(of("users"), { ...defaultHoldOptions, maxHoldMs: 9, minLoss: 5 });
  assert.deepEqual(of("batch-1"), { ...defaultHoldOptions, maxHoldMs: 0, maxLossShare: 0.8, minLoss: 5 });
  const core = { maxHoldMs: Number.POSITIVE_INFINITY, partialHoldMs: 1000, forgetMs: 2000 };
  assert.deepEqual(of("core"), { ...defaultHoldOptions, ...core, minLoss: 5 });
});
