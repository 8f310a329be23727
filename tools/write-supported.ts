// Writes docs/supported.md from the ledgers beside the code that reads Envoy's configuration.
// Usage: npm run docs [-- --check]     (--check: only tell whether the file is up to date)
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderSupport } from "../src/proto/support-table.ts";
import { loadParts } from "../src/proxy/main/parts.ts";

const file = join(import.meta.dirname, "../docs/supported.md");
const { ledgers } = await loadParts();
const text = `# Supported configuration

Every message and field of Envoy 1.40's v3 configuration that \`weft proxy\` reads. A message that is not listed here, and a
field listed as not supported, is an error that names it – or a warning with \`--allow-unsupported\`. Written by
\`npm run docs\` from the ledgers that the loader itself uses.

${renderSupport(ledgers)}`;

if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) {
  console.error("docs/supported.md is not up to date: run npm run docs");
  process.exitCode = 1;
}
