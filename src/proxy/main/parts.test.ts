import assert from "node:assert/strict";
import test from "node:test";
import { ledgerProblems } from "../../proto/support-table.ts";
import { loadParts } from "./parts.ts";

test("loadParts() gives ledgers that name messages and fields of Envoy's API only", async () => {
  const { ledgers } = await loadParts();
  assert.deepEqual(ledgerProblems(ledgers), []);
});
