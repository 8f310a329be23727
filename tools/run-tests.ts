// Runs the tests: first the unit tests beside the code, then the system tests under test/.
// Usage: node tools/run-tests.ts [--unit | --system] [TEXT ...]     (only files whose path contains one of the TEXTs)
// Tests with real peers skip themselves where a peer is missing; WEFT_REQUIRE_PEERS=1 makes that a failure.
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: { unit: { type: "boolean", default: false }, system: { type: "boolean", default: false } },
  allowPositionals: true,
});
const root = join(import.meta.dirname, "..");
const scratch = mkdtempSync(join(tmpdir(), "weft-tests-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

interface Phase {
  name: string;
  pattern: string;
  /** Files at once. System tests start programs of their own, so few of them fill a machine. */
  concurrency: number;
}

const cpus = availableParallelism();
const phases: Phase[] = [];
if (!values.system) phases.push({ name: "unit", pattern: "src/**/*.test.ts", concurrency: cpus });
if (!values.unit) {
  phases.push({
    name: "system",
    pattern: "test/**/*.test.ts",
    concurrency: Math.max(1, Math.floor(cpus / 2)),
  });
}

const counters = ["tests", "suites", "pass", "fail", "cancelled", "skipped", "todo", "duration_ms"];
const totals = new Map<string, number>(counters.map((name) => [name, 0]));
let exitCode = 0;
for (const phase of phases) exitCode = (await run(phase)) || exitCode;
if (totals.get("tests") === 0) {
  console.error("No tests found.");
  exitCode = 1;
}
console.log(`\nall tests (${phases.map((phase) => phase.name).join(" and ")})`);
for (const [name, value] of totals)
  console.log(`# ${name} ${name === "duration_ms" ? Math.round(value) : value}`);
process.exit(exitCode);

/** Runs the files of one phase with Node's test runner and adds its closing counters to the totals. */
async function run(phase: Phase): Promise<number> {
  const files = globSync(phase.pattern, { cwd: root })
    .filter((file) => positionals.length === 0 || positionals.some((text) => file.includes(text)))
    .sort();
  if (files.length === 0) return 0;
  console.log(`\n${phase.name} tests: ${files.length} files, ${phase.concurrency} at once`);
  const tap = join(scratch, `${phase.name}.tap`);
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--test",
      `--test-concurrency=${phase.concurrency}`,
      "--test-timeout=180000",
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      "--test-reporter=tap",
      `--test-reporter-destination=${tap}`,
      ...files,
    ],
    { cwd: root, stdio: "inherit" },
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => child.kill(signal));
  const code = await new Promise<number>((resolve) => child.once("close", (status) => resolve(status ?? 1)));
  addCounters(readFileSync(tap, "utf8"));
  return code;
}

function addCounters(tap: string): void {
  for (const [, name, value] of tap.matchAll(/^# (\w+) ([\d.]+)$/gm)) {
    if (totals.has(name!)) totals.set(name!, totals.get(name!)! + Number(value));
  }
}
