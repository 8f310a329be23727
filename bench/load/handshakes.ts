import { runLoad, type LoadResult } from "./run-load.ts";

/** Processes that connect one connection after the other, so that the proxy's core is busy. */
const CLIENTS = 4;

/**
 * TLS 1.3 connections that make one request each, with full handshakes or resumed ones. Throws when less than 99 % were what
 * they should be.
 */
export async function handshakes(port: number, seconds: number, resumed: boolean): Promise<LoadResult> {
  const args = ["s_time", "-connect", `127.0.0.1:${port}`, "-tls1_3", "-www", "/some/path"];
  args.push("-time", String(seconds), resumed ? "-reuse" : "-new");
  const runs = Array.from({ length: CLIENTS }, () => runLoad("openssl", args, seconds));
  const outputs = await Promise.all(runs);
  let requests = 0;
  let resumptions = 0;
  for (const output of outputs) {
    requests += Number(/(\d+) connections in \d+ real seconds/.exec(output)?.[1] ?? 0);
    // One letter per connection: "r" for a resumed one.
    resumptions += /^[r*t]+$/m.exec(output)?.[0].replaceAll(/[^r]/g, "").length ?? 0;
  }
  const asMeant = resumed ? resumptions : requests - resumptions;
  if (asMeant < requests * 0.99)
    throw new Error(`${asMeant} of ${requests} handshakes were ${resumed ? "resumed" : "full"}`);
  return { requests, perSecond: requests / seconds, errors: 0 };
}
