import { join } from "node:path";
import { runLoad, type LoadResult } from "./run-load.ts";

export interface WrkLoad {
  connections: number;
  path?: string;
  tls?: boolean;
  headers?: readonly string[];
  /** Bytes of a request's body; POST if there are any. */
  body?: number;
}

/** Loads a port with HTTP/1.1 as fast as it answers. */
export async function wrk(port: number, seconds: number, load: WrkLoad): Promise<LoadResult> {
  const { connections, path = "/some/path", tls = false, headers = [], body = 0 } = load;
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s"];
  args.push("-s", join(import.meta.dirname, "wrk.lua"), ...headers.flatMap((header) => ["-H", header]));
  args.push(`${tls ? "https" : "http"}://127.0.0.1:${port}${path}`);
  const output = await runLoad("wrk", args, seconds, { BENCH_BODY: String(body) });
  const result = /RESULT (.*)/.exec(output)?.[1];
  if (result === undefined) throw new Error(`wrk told no result: ${output}`);
  return JSON.parse(result) as LoadResult;
}
