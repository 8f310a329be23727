import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fillOptions } from "./source-docs.ts";
import { parseSource } from "./source.ts";
import { sources } from "../sources/index.ts";

test("fillOptions() finds docs/sources.md up to date", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/sources.md"), "utf8");
  const { text, missing } = fillOptions(page, sources);
  assert.deepEqual(missing, []);
  assert.equal(text, page, "run npm run docs");
});

test("sources are sorted, and their defaults pass their own checks", () => {
  const names = sources.map(({ name }) => name);
  assert.deepEqual(names, names.toSorted());
  for (const source of sources) {
    const required = Object.entries(source.options).filter(([, option]) => option.required === true);
    const given = required.map(
      ([name, { kind }]) =>
        `${name}=${kind === "url" ? "http://x" : kind === "pairs" ? "a=b:1" : "http://x:1"}`,
    );
    assert.doesNotThrow(() => parseSource(`${source.name}:${given.join(",")}`, sources, {}), source.name);
  }
});
