import assert from "node:assert/strict";
import { test } from "node:test";
import { knownHeaderId } from "./header-name.ts";
import { NumberLines } from "./number-lines.ts";

test("NumberLines gives the line of each number, and the same one again", () => {
  const lines = new NumberLines(knownHeaderId("x-envoy-upstream-service-time"));
  for (const value of [0, 7, 7, 999, 1000, 15_000, 7]) {
    assert.equal(lines.of(value).text, `x-envoy-upstream-service-time: ${value}\r\n`);
    assert.equal(lines.of(value).value, String(value));
  }
  assert.equal(lines.of(7), lines.of(7));
});
