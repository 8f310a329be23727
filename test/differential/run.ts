// Plays differential cases by hand.
// Usage: node test/differential/run.ts [--only TEXT] [--envoy-only | --self-check] [--show]
//   --only TEXT     cases whose name contains TEXT (may be given again)
//   --envoy-only    sanity run: real Envoy alone
//   --self-check    real Envoy against itself: shows what a case must normalise
//   --show          print what was recorded, also of cases that are fine
import { parseArgs } from "node:util";
import { findPeer, missingPeers } from "../../src/testing/peers.ts";
import { loadCases } from "./case.ts";
import { runCases } from "./run-cases.ts";
import type { CaseResult } from "./run-cases.ts";
import { verdict } from "./verdict.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    "envoy-only": { type: "boolean", default: false },
    "self-check": { type: "boolean", default: false },
    show: { type: "boolean", default: false },
  },
});

const missing = missingPeers(["envoy"]);
if (missing !== undefined) {
  console.error(`Cannot play: ${missing}`);
  process.exit(2);
}
const other = values["self-check"] ? "envoy" : "weft";
const sanityOnly = values["envoy-only"] || findPeer(other) === undefined;
const cases = loadCases().filter(
  (entry) => values.only.length === 0 || values.only.some((only) => entry.name.includes(only)),
);
const started = performance.now();
const [envoy, ours] = await Promise.all([
  runCases("envoy", cases),
  sanityOnly ? undefined : runCases(other, cases),
]);

let failed = 0;
for (const entry of cases) {
  const wrong = verdict(entry, envoy.get(entry)!, ours?.get(entry));
  if (wrong !== undefined) failed++;
  console.log(`${wrong === undefined ? "ok  " : "FAIL"} ${entry.name}: ${entry.title}`);
  if (wrong !== undefined) console.log(indented(wrong));
  if (values.show && wrong === undefined) show(envoy.get(entry)!);
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`${cases.length} cases, ${failed} failed, ${seconds} s${sanityOnly ? " (real Envoy only)" : ""}`);
process.exit(failed === 0 ? 0 : 1);

function show(result: CaseResult): void {
  if ("record" in result) console.log(indented(result.record.lines.join("\n")));
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "     ");
}
