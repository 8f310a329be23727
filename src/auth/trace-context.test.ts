import assert from "node:assert/strict";
import { test } from "node:test";
import { isTraceParent, newTraceParent } from "./trace-context.ts";

test("newTraceParent() gives valid and different ones", () => {
  const seen = new Set(Array.from({ length: 300 }, () => newTraceParent(true)));
  assert.equal(seen.size, 300);
  for (const one of seen) assert.ok(isTraceParent(one) && one.endsWith("-01"));
  assert.ok(newTraceParent(false).endsWith("-00"));
});

test("isTraceParent() follows W3C Trace Context", () => {
  const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  assert.ok(isTraceParent(good));
  assert.ok(isTraceParent(`cc${good.slice(2)}-more`));
  for (const bad of [
    "",
    good.toUpperCase(),
    `ff${good.slice(2)}`,
    `${good}-more`,
    `cc${good.slice(2)}.more`,
    good.replace(/-[0-9a-f]{32}-/, `-${"0".repeat(32)}-`),
    good.replace(/-[0-9a-f]{16}-/, `-${"0".repeat(16)}-`),
    good.slice(1),
  ]) {
    assert.equal(isTraceParent(bad), false, bad);
  }
});
