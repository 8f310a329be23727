// Writes the tables of docs/rotor.md from those that `weft rotor` and `weft sidecar` themselves use.
// Usage: npm run docs [-- --check]     (--check: only tell whether the file is up to date)
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ignoredVariables, sidecarVariables } from "../src/cli/sidecar-variables.ts";
import { rotorVariable } from "../src/control/rotor/read-rotor-flags.ts";
import { collectors, globalFlags, type RotorFlag } from "../src/control/rotor/rotor-flags.ts";

const file = join(import.meta.dirname, "../docs/rotor.md");
const before = readFileSync(file, "utf8");
let text = fill(before, "flags before the collector", flagTable(globalFlags));
text = fill(text, "collectors", collectorText());
text = fill(text, "variables of weft sidecar", variableTable());
if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (text !== before) {
  console.error("docs/rotor.md is not up to date: run npm run docs");
  process.exitCode = 1;
}

function fill(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->\n`, "\n<!-- end -->"];
  const from = page.indexOf(begin);
  if (from < 0) throw new Error(`Cannot write docs/rotor.md: it has no marks for ${name}`);
  const to = page.indexOf(end, from);
  return page.slice(0, from + begin.length) + content + page.slice(to);
}

function flagTable(flags: readonly RotorFlag[], collector = ""): string {
  const rows = flags.map(({ name, fallback, fate, becomes }) => {
    const shown = fallback === "" ? "" : `\`${fallback}\``;
    return `| \`${name}\` | \`${rotorVariable(name, collector)}\` | ${shown} | ${fate} | ${becomes} |`;
  });
  return [
    "| flag | variable | Rotor's default | here it | what it is |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

function collectorText(): string {
  return collectors
    .map(({ name, source, remark, flags }) => {
      const becomes = source === undefined ? `Cannot be had. ${remark}.` : `Source \`${source}\`. ${remark}.`;
      return [`### ${name}`, becomes, ...(flags.length === 0 ? [] : [flagTable(flags, name)])].join("\n\n");
    })
    .join("\n\n");
}

function variableTable(): string {
  const rows = sidecarVariables.map(({ name, simple, fallback, meaning }) => {
    const old =
      simple === ""
        ? ""
        : simple
            .split(", ")
            .map((each) => `\`${each}\``)
            .join(", ");
    return `| \`${name}\` | ${old} | ${fallback} | ${meaning} |`;
  });
  const ignored = ignoredVariables.map(({ shown, why }) => `| | ${shown} | | does nothing: ${why} |`);
  return ["| variable | envoy-simple's | default | meaning |", "|---|---|---|---|", ...rows, ...ignored].join(
    "\n",
  );
}
