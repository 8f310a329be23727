// Writes the options of the discovery sources into docs/sources.md from the tables that the sources themselves use.
// Usage: npm run docs [-- --check]     (--check: only tell whether the file is up to date)
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commonOptions } from "../src/control/catalog/common-options.ts";
import { fillOptions } from "../src/control/catalog/source-docs.ts";
import { sources } from "../src/control/sources/index.ts";

const file = join(import.meta.dirname, "../docs/sources.md");
const before = readFileSync(file, "utf8");
const { text, missing } = fillOptions(before, [...sources, { name: "every", options: commonOptions }]);

for (const name of missing) console.error(`docs/sources.md has no marks for the options of "${name}"`);
if (missing.length > 0) process.exitCode = 1;
if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (text !== before) {
  console.error("docs/sources.md is not up to date: run npm run docs");
  process.exitCode = 1;
}
