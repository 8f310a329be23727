import { openSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { ManagedProcess } from "../src/testing/managed-process.ts";
import { findPeer } from "../src/testing/peers.ts";
import type { PeerName } from "../src/testing/peers.ts";
import { startProxy } from "../src/testing/start-proxy.ts";
import { waitUntil } from "../src/testing/wait-until.ts";
import { freePort } from "./contender.ts";
import type { Contender, Work } from "./contender.ts";
import { envoyBootstrap, haproxyConfig, nginxProxyConfig, nginxUpstreamConfig } from "./configs.ts";

/** Long enough to write a profile at the end. */
const STOP_MS = 20_000;

export type ContenderName = "weft" | "envoy" | "nginx" | "haproxy";

/** Starts a proxy that does the given work on its core, and waits until it accepts connections. */
export async function startContender(name: ContenderName, work: Work): Promise<Contender> {
  if (name === "nginx")
    return startNginx("nginx", work.core, work.folder, (port) => nginxProxyConfig(port, work));
  if (name === "haproxy") return startHaproxy(work);
  const proxy = await startProxy(name, envoyBootstrap(name, work), {
    prefix: pinned(work.core),
    nodeArgs: work.nodeArgs,
  });
  const port = proxy.ports.get("bench");
  if (port === undefined) throw new Error(`${name} has no listener "bench"`);
  return { name, port, pid: proxy.process.pid, stop: async () => void (await proxy.stop(STOP_MS)) };
}

/** Starts the upstream: nginx that answers every request with a few bytes. */
export function startUpstream(core: number, folder: string): Promise<Contender> {
  return startNginx("upstream", core, folder, (port) => nginxUpstreamConfig(port, folder));
}

async function startNginx(
  name: string,
  core: number,
  folder: string,
  configFor: (port: number) => string,
): Promise<Contender> {
  const port = await freePort();
  const file = join(folder, `${name}.conf`);
  writeFileSync(file, configFor(port));
  const [command, ...args] = [...pinned(core), pathOf("nginx"), "-p", folder, "-c", file];
  return listening(name, port, new ManagedProcess(command!, args));
}

/** HAProxy logs to its standard output, so that goes to a file here and not through this process. */
async function startHaproxy(work: Work): Promise<Contender> {
  const port = await freePort();
  const file = join(work.folder, "haproxy.cfg");
  writeFileSync(file, haproxyConfig(port, work));
  const log = openSync(join(work.folder, "haproxy.log"), "w");
  const [command, ...args] = [...pinned(work.core), pathOf("haproxy"), "-db", "-f", file];
  const child = spawn(command!, args, { stdio: ["ignore", log, log] });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  await waitUntil("haproxy listens", () => accepts(port));
  const stop = async (): Promise<void> => {
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await gone;
    process.off("exit", kill);
  };
  return { name: "haproxy", port, pid: child.pid!, stop };
}

async function listening(name: string, port: number, child: ManagedProcess): Promise<Contender> {
  await waitUntil(`${name} listens`, () => {
    if (child.ended) throw new Error(`${name} ended: ${child.stderr}`);
    return accepts(port);
  });
  return { name, port, pid: child.pid, stop: async () => void (await child.stop()) };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

function pinned(core: number): string[] {
  return ["taskset", "-c", String(core)];
}

function pathOf(name: PeerName): string {
  const path = findPeer(name);
  if (path === undefined) throw new Error(`Cannot find ${name}: run "node tools/install-peers.ts"`);
  return path;
}
