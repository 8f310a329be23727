// What a start costs: wall time and CPU until a proxy with one worker is live, and its memory a second later.
import { setTimeout as sleep } from "node:timers/promises";
import { startProxy } from "../src/testing/start-proxy.ts";
import { cpuMicros, residentBytes } from "./contender.ts";
import { envoyBootstrap } from "./configs.ts";

interface Start {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly megabytes: number;
}

/** Time for what was allocated at start to settle, in milliseconds. */
const SETTLE = 1000;

/** Starts a proxy again and again and describes the median start. */
export async function measureStartup(rounds: number): Promise<string> {
  // The first start fills the cache of compiled code.
  await measure();
  const starts: Start[] = [];
  for (let i = 0; i < rounds; i++) starts.push(await measure());
  return [
    `weft proxy, one worker, median of ${rounds} starts:`,
    `  wall to LIVE  ${median(starts.map(({ wallMs }) => wallMs)).toFixed(0)} ms`,
    `  CPU to LIVE   ${median(starts.map(({ cpuMs }) => cpuMs)).toFixed(0)} ms (all threads)`,
    `  memory idle   ${median(starts.map(({ megabytes }) => megabytes)).toFixed(0)} MB resident`,
  ].join("\n");
}

async function measure(): Promise<Start> {
  const work = { upstreamPort: 9, core: 0, accessLog: false, folder: "", nodeArgs: [] };
  const begin = performance.now();
  const proxy = await startProxy("weft", envoyBootstrap("weft", work));
  const wallMs = performance.now() - begin;
  const cpuMs = cpuMicros(proxy.process.pid) / 1000;
  await sleep(SETTLE);
  const megabytes = residentBytes(proxy.process.pid) / 1e6;
  await proxy.stop();
  return { wallMs, cpuMs, megabytes };
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
