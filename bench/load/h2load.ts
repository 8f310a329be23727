import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runLoad, type LoadResult } from "./run-load.ts";

export interface H2Load {
  protocol: "h1" | "h2";
  connections: number;
  /** Streams at once on each. */
  streams?: number;
  tls?: boolean;
  /** Requests per second of each connection; as many as are answered when absent. */
  rate?: number;
}

/** Loads a port with h2load, without TLS by prior knowledge. */
export async function h2load(port: number, seconds: number, load: H2Load): Promise<LoadResult> {
  const { protocol, connections, streams = 1, tls = false, rate } = load;
  const folder = mkdtempSync(join(tmpdir(), "weft-h2load-"));
  try {
    const log = join(folder, "requests");
    const args = [`-c${connections}`, `-m${streams}`, `-D${seconds}`, `--log-file=${log}`];
    if (protocol === "h1") args.push("--h1");
    if (rate !== undefined) args.push(`--rps=${rate}`);
    args.push(`${tls ? "https" : "http"}://127.0.0.1:${port}/some/path`);
    await runLoad("h2load", args, seconds);
    return parse(readFileSync(log, "latin1"), seconds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lines of start time, status and microseconds until the end of the response, by tabs. */
function parse(log: string, seconds: number): LoadResult {
  const durations: number[] = [];
  let errors = 0;
  for (const line of log.split("\n")) {
    if (line === "") continue;
    const [, status, micros] = line.split("\t");
    durations.push(Number(micros));
    if (Number(status) < 200 || Number(status) > 399) errors++;
  }
  const sorted = Float64Array.from(durations).sort();
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  return {
    requests: sorted.length,
    perSecond: sorted.length / seconds,
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
    errors,
  };
}
