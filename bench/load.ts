import { ManagedProcess } from "../src/testing/managed-process.ts";
import { findPeer } from "../src/testing/peers.ts";

/** What a load run saw; latencies in microseconds. */
export interface LoadResult {
  requests: number;
  requestsPerSecond: number;
  p50: number;
  p99: number;
  /** Answers that were not 2xx or 3xx, and socket errors. */
  errors: number;
}

export interface Load {
  port: number;
  seconds: number;
  connections: number;
  core: number;
}

/** Loads a port over kept-alive HTTP/1.1 connections with wrk; always ends within a few seconds of its time. */
export async function loadHttp1(load: Load): Promise<LoadResult> {
  const wrk = findPeer("wrk");
  if (wrk === undefined) throw new Error('Cannot find wrk: run "node tools/install-peers.ts"');
  const args = [
    "-c",
    String(load.core),
    wrk,
    "-t1",
    `-c${load.connections}`,
    `-d${load.seconds}s`,
    "--latency",
  ];
  const child = new ManagedProcess("taskset", [...args, `http://127.0.0.1:${load.port}/some/path`]);
  const limit = setTimeout(() => child.signal("SIGKILL"), (load.seconds + 10) * 1000);
  const code = await child.exited;
  clearTimeout(limit);
  if (code !== 0) throw new Error(`wrk failed with code ${code}: ${child.stderr}`);
  return parse(child.stdout);
}

function parse(output: string): LoadResult {
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0);
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output);
  const socketErrorCount = (socketErrors ?? []).slice(1).reduce((sum, count) => sum + Number(count), 0);
  return {
    requests: number(/(\d+) requests in/),
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50: micros(/50%\s+([\d.]+)(us|ms|s)/.exec(output)),
    p99: micros(/99%\s+([\d.]+)(us|ms|s)/.exec(output)),
    errors: number(/Non-2xx or 3xx responses: (\d+)/) + socketErrorCount,
  };
}

function micros(found: RegExpExecArray | null): number {
  const factors: Record<string, number> = { us: 1, ms: 1000, s: 1_000_000 };
  return found === null ? 0 : Number(found[1]) * factors[found[2]!]!;
}
