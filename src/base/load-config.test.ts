import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { ConfigError, loadConfig } from "./load-config.ts";

const schema = z.strictObject({
  name: z.string(),
  parts: z.array(z.strictObject({ port: z.number().int().max(65535) })).default([]),
});

function problems(text: string): readonly string[] {
  try {
    loadConfig(schema, text, "x.yaml");
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("loadConfig() returns what the schema makes of the file", () => {
  assert.deepEqual(loadConfig(schema, "name: a\n", "x.yaml"), { name: "a", parts: [] });
});

test("loadConfig() names file, line and field of every problem", () => {
  const found = problems("name: 5\nparts:\n  - port: 99999\n  - port: 1\n    prot: 2\n");
  assert.equal(found.length, 3);
  assert.match(found[0]!, /^Cannot load "x\.yaml": line 1: name: /);
  assert.match(found[1]!, /line 3: parts\[0\]\.port: /);
  assert.equal(
    found[2],
    'Cannot load "x.yaml": line 5: parts[1].prot: unknown field "prot" (did you mean "port"?)',
  );
});

test("loadConfig() reports a syntax error with its line", () => {
  assert.match(problems("name: a\n  b: [\n")[0]!, /^Cannot load "x\.yaml": line \d: /);
});

test("loadConfig() says what a missing or empty field takes", () => {
  assert.deepEqual(problems("parts:\n  - {}\n"), [
    'Cannot load "x.yaml": name: is missing; it takes a text',
    'Cannot load "x.yaml": line 2: parts[0].port: is missing; it takes a number',
  ]);
  assert.deepEqual(problems("name:\n"), ['Cannot load "x.yaml": line 1: name: is empty; it takes a text']);
});
