import assert from "node:assert/strict";
import { test } from "node:test";
import { diffLines } from "./diff-lines.ts";

test("diffLines() is empty for equal texts", () => {
  assert.deepEqual(diffLines(["a", "b"], ["a", "b"]), []);
});

test("diffLines() shows removed and added lines among the kept ones", () => {
  assert.deepEqual(diffLines(["a", "b", "c"], ["a", "x", "c", "d"]), ["  a", "- b", "+ x", "  c", "+ d"]);
});
