import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";

/** A program that tests compare with or drive; `weft` is this repository's own command. */
export type PeerName =
  | "envoy"
  | "nginx"
  | "haproxy"
  | "wrk"
  | "h2load"
  | "curl"
  | "chromium"
  | "h2spec"
  | "etcd"
  | "dnsmasq"
  | "iptables"
  | "kube-apiserver"
  | "grpc-go-xds-client"
  | "grpc-interop-client"
  | "grpc-interop-server"
  | "grpc-python-xds-client"
  | "grpcurl"
  | "weft";

const root = join(import.meta.dirname, "../..");

/**
 * Where a peer's program is: the variable `WEFT_<NAME>` if set, else `.cache/peers` (filled by tools/install-peers.ts),
 * else PATH. Undefined when it is nowhere.
 */
export function findPeer(name: PeerName): string | undefined {
  const given = process.env[`WEFT_${name.toUpperCase().replaceAll("-", "_")}`];
  if (given !== undefined && given !== "") return given;
  if (name === "weft") return readable(join(root, "bin/weft.js"));
  const cached = executable(join(root, ".cache/peers", name));
  if (cached !== undefined) return cached;
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  for (const folder of folders) {
    const found = executable(join(folder, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a missing peer is an error (continuous integration) and not a reason to skip. */
export function peersAreRequired(): boolean {
  return process.env["WEFT_REQUIRE_PEERS"] === "1" || (process.env["CI"] ?? "") !== "";
}

/** What to tell when peers are missing; undefined when all are there. */
export function missingPeers(peers: readonly PeerName[]): string | undefined {
  const missing = peers.filter((peer) => findPeer(peer) === undefined);
  if (missing.length === 0) return undefined;
  return `needs ${missing.join(", ")}: run "node tools/install-peers.ts"`;
}

/** Defines a test that needs real peers: skipped with a notice when one is missing, failed where peers are required. */
export function peerTest(
  name: string,
  peers: readonly PeerName[],
  fn: (context: TestContext) => Promise<void> | void,
): void {
  const missing = missingPeers(peers);
  test(name, async (context) => {
    if (missing === undefined) return await fn(context);
    if (peersAreRequired()) throw new Error(missing);
    context.skip(missing);
  });
}

function executable(path: string): string | undefined {
  return accessible(path, constants.X_OK);
}

function readable(path: string): string | undefined {
  return accessible(path, constants.R_OK);
}

function accessible(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return path;
  } catch {
    return undefined;
  }
}
