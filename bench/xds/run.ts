// Compares our control plane with one on go-control-plane: the same mesh, the same clients, one core for the server, one
// for the clients. Usage: npm run bench:xds [-- --clients 100,1000] [--services 1000] [--protocols delta,sotw]
// [--only weft,go] [--changes 5]. docs/benchmarks.md tells how to read the table.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { cpuMicros, residentBytes } from "../process-cost.ts";

const SERVER_CORE = "0";
const CLIENT_CORE = "1";
const goFolder = join(import.meta.dirname, "go-control-plane");
const goBinary = join(import.meta.dirname, "../../.cache/peers/go-control-plane-bench");

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "100,1000" },
    services: { type: "string", default: "1000" },
    protocols: { type: "string", default: "delta,sotw" },
    only: { type: "string", default: "weft,go" },
    changes: { type: "string", default: "5" },
    profile: { type: "boolean", default: false },
  },
});

interface Result {
  contender: string;
  protocol: string;
  clients: number;
  /** Milliseconds until the last client has everything. */
  sync: number;
  /** Milliseconds until the last client has a change, until half and 99 % of them have. */
  last: number;
  p50: number;
  p99: number;
  /** CPU seconds for the first sync; milliseconds per change. */
  syncCpu: number;
  changeCpu: number;
  /** MB without clients, and after the changes. */
  idleMb: number;
  mb: number;
}

/** A program that speaks in lines. */
class Program {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(core: string, command: string, args: readonly string[]) {
    this.child = spawn("taskset", ["-c", core, command, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.child.pid!;
  }

  say(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  async hear(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("a program ended early");
    return value;
  }

  stop(): void {
    this.child.kill("SIGKILL");
  }
}

const results: Result[] = [];
const contenders = values.only.split(",");
if (contenders.includes("go")) buildGo();
for (const clients of values.clients.split(",").map(Number)) {
  for (const protocol of values.protocols.split(",")) {
    for (const contender of contenders) {
      const result = await measure(contender, protocol, clients);
      results.push(result);
      console.error(describe(result));
    }
  }
}
console.table(
  results.map((each) => ({
    contender: each.contender,
    protocol: each.protocol,
    clients: each.clients,
    "first sync s": seconds(each.sync),
    "sync CPU s": each.syncCpu.toFixed(2),
    "change p50 ms": Math.round(each.p50),
    "change p99 ms": Math.round(each.p99),
    "last client ms": Math.round(each.last),
    "change CPU ms": Math.round(each.changeCpu),
    "idle MB": Math.round(each.idleMb),
    MB: Math.round(each.mb),
  })),
);
process.exit();

async function measure(contender: string, protocol: string, clients: number): Promise<Result> {
  const profile = values.profile
    ? ["--cpu-prof", `--cpu-prof-dir=${join(import.meta.dirname, "../results")}`]
    : [];
  const server =
    contender === "go"
      ? new Program(SERVER_CORE, goBinary, [values.services])
      : new Program(SERVER_CORE, process.execPath, [
          ...profile,
          join(import.meta.dirname, "weft-server.ts"),
          values.services,
        ]);
  const port = await server.hear();
  await pause(1500);
  const idleMb = residentBytes(server.pid) / 1e6;
  const cpuBefore = cpuMicros(server.pid);
  const program = join(import.meta.dirname, "clients.ts");
  const args = ["--max-old-space-size=8000", program, port, String(clients), values.services, protocol];
  const swarm = new Program(CLIENT_CORE, process.execPath, args);
  const sync = Number((await swarm.hear()).split(" ")[1]);
  const syncCpu = (cpuMicros(server.pid) - cpuBefore) / 1e6;
  await pause(1000);
  const rounds: { last: number; p50: number; p99: number; cpu: number }[] = [];
  for (let i = 0; i < Number(values.changes); i++) {
    const before = cpuMicros(server.pid);
    swarm.say(String(performance.timeOrigin + performance.now()));
    // The clients must know before the change arrives.
    await pause(50);
    swarm.say(String(performance.timeOrigin + performance.now()));
    server.say("change");
    const [, last, p50, p99] = (await swarm.hear()).split(" ").map(Number) as [
      number,
      number,
      number,
      number,
    ];
    await pause(500);
    rounds.push({ last, p50, p99, cpu: (cpuMicros(server.pid) - before) / 1000 });
  }
  const mb = residentBytes(server.pid) / 1e6;
  const median = (key: keyof (typeof rounds)[0]) =>
    rounds.map((round) => round[key]).toSorted((a, b) => a - b)[Math.trunc(rounds.length / 2)]!;
  if (values.profile && contender === "weft") {
    server.child.stdin!.end();
    await new Promise((resolve) => server.child.on("exit", resolve));
  }
  server.stop();
  swarm.stop();
  return {
    contender,
    protocol,
    clients,
    sync,
    last: median("last"),
    p50: median("p50"),
    p99: median("p99"),
    syncCpu,
    changeCpu: median("cpu"),
    idleMb,
    mb,
  };
}

function buildGo(): void {
  const source = join(goFolder, "main.go");
  if (existsSync(goBinary) && statSync(goBinary).mtimeMs > statSync(source).mtimeMs) return;
  mkdirSync(join(goBinary, ".."), { recursive: true });
  const path = [process.env["PATH"], "/usr/local/go/bin"].join(delimiter);
  const env = { ...process.env, PATH: path, CGO_ENABLED: "0" };
  execFileSync("go", ["build", "-o", goBinary, "."], { cwd: goFolder, stdio: "inherit", env });
}

function describe({ contender, protocol, clients, sync, p99, changeCpu, mb }: Result): string {
  return (
    `${contender} ${protocol} ${clients} clients: first sync ${seconds(sync)} s, change p99 ${Math.round(p99)} ms, ` +
    `${Math.round(changeCpu)} ms of CPU, ${Math.round(mb)} MB`
  );
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
