import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer } from "../../src/testing/peers.ts";
import type { PeerName } from "../../src/testing/peers.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

/** Starts nginx and waits until it listens. */
export async function startNginx(
  name: string,
  port: number,
  core: number,
  folder: string,
  config: string,
): Promise<{ pid: number; stop(): Promise<void> }> {
  const file = join(folder, `${name}.conf`);
  writeFileSync(file, config);
  const [command, ...args] = [...pinned(core), pathOf("nginx"), "-p", folder, "-c", file];
  const child = new ManagedProcess(command!, args);
  await waitUntil(`${name} listens`, () => {
    if (child.ended) throw new Error(`${name} ended: ${child.stderr}`);
    return accepts(port);
  });
  return { pid: child.pid, stop: async () => void (await child.stop()) };
}

/** A port that is free now; the caller takes it at once. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Command put before another to keep it on one core. */
export function pinned(core: number): string[] {
  return ["taskset", "-c", String(core)];
}

export function pathOf(name: PeerName): string {
  const path = findPeer(name);
  if (path === undefined) throw new Error(`Cannot find ${name}: run "node tools/install-peers.ts"`);
  return path;
}
