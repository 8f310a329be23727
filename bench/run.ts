// Compares what a request costs on Weft, Envoy, nginx and HAProxy that do equal work.
// Usage: npm run bench -- h1 [--seconds 5] [--rounds 3] [--connections 50] [--only weft,envoy] [--no-access-log] [--profile]
//        npm run bench -- startup [--rounds 5]
// The proxy has core 0 for itself, the upstream and the load share core 1; rounds are interleaved and their order rotates.
// CPU time per request is the figure to trust: it hardly depends on what else the machine does.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { missingPeers } from "../src/testing/peers.ts";
import { cpuMicros, residentBytes } from "./contender.ts";
import type { Contender, Work } from "./contender.ts";
import { loadHttp1 } from "./load.ts";
import { summarise, table } from "./report.ts";
import type { Round } from "./report.ts";
import { startContender, startUpstream } from "./start-contender.ts";
import type { ContenderName } from "./start-contender.ts";
import { measureStartup } from "./startup.ts";

const PROXY_CORE = 0;
const LOAD_CORE = 1;
const WARM_UP_SECONDS = 2;

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    connections: { type: "string", default: "50" },
    only: { type: "string", default: "weft,envoy,nginx,haproxy" },
    "no-access-log": { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const [scenario = "h1"] = positionals;
const roundCount = positive("rounds", values.rounds);
if (scenario === "startup") {
  console.log(await measureStartup(roundCount));
  process.exit(0);
}
const seconds = positive("seconds", values.seconds);
const connections = positive("connections", values.connections);
const missing = missingPeers(["wrk", "nginx"]);
if (scenario !== "h1") fail(`Cannot run "${scenario}": the scenarios are: h1, startup`);
if (missing !== undefined) fail(`Cannot run the benchmark: ${missing}`);
if (cpus().length < 2) fail("Cannot run the benchmark: it needs two cores");

const results = join(import.meta.dirname, "results");
const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));
mkdirSync(results, { recursive: true });
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const upstream = await startUpstream(LOAD_CORE, folder);
const work: Work = {
  upstreamPort: upstream.port,
  core: PROXY_CORE,
  accessLog: !values["no-access-log"],
  folder,
  nodeArgs: values.profile ? ["--cpu-prof", `--cpu-prof-dir=${results}`] : [],
};
const contenders = await startAll(values.only.split(",") as ContenderName[]);
if (contenders.length === 0) fail("No contender could be started.");
const rounds = new Map<Contender, Round[]>(contenders.map((contender) => [contender, []]));
for (const contender of contenders)
  await loadHttp1({ port: contender.port, seconds: WARM_UP_SECONDS, connections, core: LOAD_CORE });
for (let i = 0; i < roundCount; i++) {
  const first = i % contenders.length;
  for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
    const round = await measure(contender);
    rounds.get(contender)!.push(round);
    console.error(
      `round ${i + 1}/${roundCount} ${contender.name}: ${round.cpuMicrosPerRequest.toFixed(1)} us/req`,
    );
  }
}
const summaries = contenders.map((contender) => summarise(contender.name, rounds.get(contender)!));
for (const contender of [...contenders, upstream]) await contender.stop();

const log = work.accessLog ? "with access log" : "without access log";
console.log(`${scenario}: ${connections} connections, ${roundCount} rounds of ${seconds} s, ${log}`);
console.log(table(summaries));
const file = join(results, `${scenario}-${new Date().toISOString().replaceAll(":", "-")}.json`);
const settings = { scenario, seconds, rounds: roundCount, connections, accessLog: work.accessLog };
writeFileSync(file, `${JSON.stringify({ settings, cpu: cpus()[0]?.model, summaries }, null, 2)}\n`);
console.log(`written to ${file}`);
process.exit(0);

async function startAll(names: readonly ContenderName[]): Promise<Contender[]> {
  const started: Contender[] = [];
  for (const name of names) {
    try {
      started.push(await startContender(name, work));
    } catch (error) {
      console.error(`${name} does not take part: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  return started;
}

async function measure(contender: Contender): Promise<Round> {
  const before = cpuMicros(contender.pid);
  const result = await loadHttp1({ port: contender.port, seconds, connections, core: LOAD_CORE });
  const used = cpuMicros(contender.pid) - before;
  return {
    ...result,
    cpuMicrosPerRequest: used / result.requests,
    residentBytes: residentBytes(contender.pid),
  };
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
