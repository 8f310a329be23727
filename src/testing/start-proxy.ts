import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPeer } from "./peers.ts";
import { ManagedProcess } from "./managed-process.ts";
import { tempDir } from "./temp-dir.ts";
import { waitUntil } from "./wait-until.ts";

/** Which proxy to start: the real one or ours. */
export type ProxyKind = "envoy" | "weft";

/** A running proxy with its bound addresses. */
export interface RunningProxy {
  readonly kind: ProxyKind;
  readonly process: ManagedProcess;
  /** Base URL of the admin server, no trailing slash. */
  readonly admin: string;
  /** Bound TCP port by listener name. */
  readonly ports: ReadonlyMap<string, number>;
  /** All output so far. */
  readonly log: string;
  /** Counters and gauges by name; `filter` is a regular expression as the admin server takes it. */
  stats(filter?: string): Promise<Map<string, number | string>>;
  /** Asks it to stop, kills it after `graceMs` (3000), and returns its exit code. */
  stop(graceMs?: number): Promise<number>;
}

export interface StartOptions {
  /** More command-line flags. */
  args?: readonly string[];
  /** Worker threads; default: 1. */
  concurrency?: number;
  /** How long it may take to become ready. */
  timeoutMs?: number;
  /** Command put in front, as `["taskset", "-c", "0"]`. */
  prefix?: readonly string[];
  /** Flags of Node for our own proxy. */
  nodeArgs?: readonly string[];
  /** Path of the program, or of our launcher, if it is not the usual one. */
  program?: string;
}

/**
 * Starts a proxy with a bootstrap (YAML text or an object; listeners on port 0, admin on port 0) and waits until it
 * is live. Both kinds get the same flags. Throws with the program's output when it does not come up.
 */
export async function startProxy(
  kind: ProxyKind,
  bootstrap: string | object,
  options: StartOptions = {},
): Promise<RunningProxy> {
  const folder = tempDir(kind);
  const adminFile = join(folder, "admin-address");
  const bootstrapFile = writeBootstrap(folder, bootstrap);
  // Envoy takes a flag's value as the next argument only.
  const args = [
    "-c",
    bootstrapFile,
    "--concurrency",
    String(options.concurrency ?? 1),
    "--disable-hot-restart",
    "--admin-address-path",
  ];
  args.push(adminFile, "--file-flush-interval-msec", "50", "-l", "warning", ...(options.args ?? []));
  const [command, ...rest] = [...(options.prefix ?? []), ...proxyCommand(kind, options), ...args];
  const child = new ManagedProcess(command!, rest);
  try {
    const admin = await waitUntil(
      `${kind} is live`,
      () => liveAdmin(child, adminFile),
      options.timeoutMs ?? 20_000,
    );
    return new Running(kind, child, admin, await boundPorts(admin));
  } catch (error) {
    await child.stop(500);
    throw new Error(`${kind} did not start: ${(error as Error).message}\n${outputOf(child)}`, {
      cause: error,
    });
  }
}

/** Runs a proxy to its end with `--mode validate`, for configurations that are to be accepted or refused. */
export async function validateBootstrap(
  kind: ProxyKind,
  bootstrap: string | object,
): Promise<{ code: number; output: string }> {
  const file = writeBootstrap(tempDir(kind), bootstrap);
  const [command, ...rest] = [...proxyCommand(kind), "-c", file, "--mode", "validate"];
  const child = new ManagedProcess(command!, [...rest, "-l", "warning", "--disable-hot-restart"]);
  const timer = setTimeout(() => child.signal("SIGKILL"), 20_000);
  const code = await child.exited;
  clearTimeout(timer);
  return { code, output: outputOf(child) };
}

function proxyCommand(kind: ProxyKind, { nodeArgs = [], program }: StartOptions = {}): string[] {
  const path = program ?? findPeer(kind);
  if (path === undefined) throw new Error(`Cannot find ${kind}: run "node tools/install-peers.ts"`);
  return kind === "envoy" ? [path] : [process.execPath, ...nodeArgs, path, "proxy"];
}

function writeBootstrap(folder: string, bootstrap: string | object): string {
  const file = join(folder, typeof bootstrap === "string" ? "bootstrap.yaml" : "bootstrap.json");
  writeFileSync(file, typeof bootstrap === "string" ? bootstrap : JSON.stringify(bootstrap, null, 1));
  return file;
}

async function liveAdmin(child: ManagedProcess, adminFile: string): Promise<string | undefined> {
  if (child.ended) throw new Error(`it exited with code ${await child.exited}`);
  try {
    const admin = `http://${readFileSync(adminFile, "utf8").trim()}`;
    const response = await fetch(`${admin}/ready`);
    await response.text();
    return response.status === 200 ? admin : undefined;
  } catch {
    return undefined;
  }
}

interface ListenerStatus {
  name: string;
  local_address?: { socket_address?: { port_value: number } };
}

async function boundPorts(admin: string): Promise<Map<string, number>> {
  const response = await fetch(`${admin}/listeners?format=json`);
  const body = (await response.json()) as { listener_statuses?: ListenerStatus[] };
  const ports = new Map<string, number>();
  for (const status of body.listener_statuses ?? []) {
    const port = status.local_address?.socket_address?.port_value;
    if (port !== undefined) ports.set(status.name, port);
  }
  return ports;
}

function outputOf(child: ManagedProcess): string {
  return child.stdout + child.stderr;
}

class Running implements RunningProxy {
  readonly kind: ProxyKind;
  readonly process: ManagedProcess;
  readonly admin: string;
  readonly ports: ReadonlyMap<string, number>;

  constructor(kind: ProxyKind, child: ManagedProcess, admin: string, ports: Map<string, number>) {
    this.kind = kind;
    this.process = child;
    this.admin = admin;
    this.ports = ports;
  }

  get log(): string {
    return outputOf(this.process);
  }

  async stats(filter = ""): Promise<Map<string, number | string>> {
    const query = filter === "" ? "" : `?filter=${encodeURIComponent(filter)}`;
    const response = await fetch(`${this.admin}/stats${query}`);
    const found = new Map<string, number | string>();
    for (const line of (await response.text()).split("\n")) {
      const colon = line.lastIndexOf(": ");
      if (colon < 0) continue;
      const value = line.slice(colon + 2);
      found.set(line.slice(0, colon), /^\d+$/.test(value) ? Number(value) : value);
    }
    return found;
  }

  stop(graceMs?: number): Promise<number> {
    return this.process.stop(graceMs);
  }
}
