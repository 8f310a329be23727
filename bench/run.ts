// Compares what work costs on Weft, Envoy, HAProxy and nginx, and says which of the performance bars are met.
// Usage: npm run bench [-- SCENARIO...] [--rounds 3] [--seconds 4] [--only weft,envoy] [--base DIR] [--profile]
// The proxy has core 0 for itself, upstream and load share core 1. docs/benchmarks.md tells how to read the table.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeCertificate } from "../src/testing/certs.ts";
import { missingPeers } from "../src/testing/peers.ts";
import { LOAD_CORE } from "./load/run-load.ts";
import type { Site } from "./proxies/contender.ts";
import { startUpstream } from "./proxies/upstream.ts";
import { barResults, table, type ScenarioResult } from "./report.ts";
import { runScenario } from "./run-scenario.ts";
import type { Case, Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/index.ts";

const PROXY_CORE = 0;

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "weft,envoy,haproxy,nginx" },
    base: { type: "string" },
    profile: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const pace = {
  rounds: positive("rounds", values.rounds),
  seconds: positive("seconds", values.seconds),
};
const scenarios = chosen(positionals, values.profile ? ["weft"] : values.only.split(","));
const missing = missingPeers(["wrk", "h2load", "nginx"]);
if (missing !== undefined) fail(`Cannot run the benchmark: ${missing}`);
if (cpus().length < 2) fail("Cannot run the benchmark: it needs two cores");

const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const resultsFolder = join(import.meta.dirname, "results");
mkdirSync(resultsFolder, { recursive: true });
const upstream = await startUpstream(LOAD_CORE, folder);
const site: Site = {
  upstream,
  folder,
  core: PROXY_CORE,
  tls: writeCertificate(),
  base: values.base === undefined ? "" : join(values.base, "bin/weft.js"),
  nodeArgs: values.profile ? ["--cpu-prof", `--cpu-prof-dir=${resultsFolder}`] : [],
};

const results: ScenarioResult[] = [];
for (const scenario of scenarios) {
  console.error(`${scenario.name}: ${scenario.about}`);
  try {
    results.push({ scenario, cases: await runScenario(scenario, site, pace) });
  } catch (error) {
    console.error(`${scenario.name} failed: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
await upstream.stop();

console.log(table(results));
if (values.profile) console.log(`CPU profiles are in ${resultsFolder}`);
const file = join(resultsFolder, `${new Date().toISOString().replaceAll(":", "-")}.json`);
const report = results.map((result) => ({
  name: result.scenario.name,
  about: result.scenario.about,
  unit: result.scenario.unit,
  cases: result.cases,
  bars: barResults(result),
}));
writeFileSync(file, `${JSON.stringify({ pace, cpu: cpus()[0]?.model, scenarios: report }, null, 2)}\n`);
console.log(`written to ${file}`);
process.exit();

function chosen(names: readonly string[], proxies: readonly string[]): Scenario[] {
  const unknown = names.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined)
    fail(`Cannot run "${unknown}": the scenarios are ${SCENARIOS.map(({ name }) => name).join(", ")}`);
  return SCENARIOS.filter(({ name }) => names.length === 0 || names.includes(name)).map((scenario) => ({
    ...scenario,
    cases: scenario.cases.filter(({ proxy }) => proxies.includes(proxy)).flatMap(withBase),
  }));
}

function withBase(each: Case): Case[] {
  return each.proxy === "weft" && values.base !== undefined ? [each, { ...each, proxy: "base" }] : [each];
}

function writeCertificate(): Site["tls"] {
  const { cert, key } = makeCertificate({ name: "bench", names: ["DNS:localhost", "IP:127.0.0.1"] });
  const paths = {
    cert: join(folder, "cert.pem"),
    key: join(folder, "key.pem"),
    both: join(folder, "both.pem"),
  };
  writeFileSync(paths.cert, cert);
  writeFileSync(paths.key, key);
  writeFileSync(paths.both, cert + key);
  return paths;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    fail(`Cannot use --${name} ${text}: it must be a whole number above 0`);
  return value;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
