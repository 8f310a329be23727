import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer } from "../../src/testing/peers.ts";
import type { PeerName } from "../../src/testing/peers.ts";
import { pinned } from "../proxies/start-nginx.ts";

/** What a load saw; latencies in microseconds. */
export interface LoadResult {
  /** Requests, or connections where each makes one. */
  requests: number;
  perSecond: number;
  p50?: number;
  p99?: number;
  p999?: number;
  /** Answers that were not 2xx or 3xx, and broken connections. */
  errors: number;
}

/** Core of upstream and load. */
export const LOAD_CORE = 1;

/** Runs a load generator on its core; it always ends within a few seconds of its time. Returns its standard output. */
export async function runLoad(
  program: PeerName | "openssl",
  args: readonly string[],
  seconds: number,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const path = program === "openssl" ? program : findPeer(program);
  if (path === undefined) throw new Error(`Cannot find ${program}: run "node tools/install-peers.ts"`);
  const [command, ...rest] = [...pinned(LOAD_CORE), path, ...args];
  const child = new ManagedProcess(command!, rest, { env: { ...process.env, ...env } });
  const limit = setTimeout(() => child.signal("SIGKILL"), (seconds + 15) * 1000);
  const code = await child.exited;
  clearTimeout(limit);
  if (code !== 0) throw new Error(`${program} failed with code ${code}: ${child.stderr}${child.stdout}`);
  return child.stdout;
}
