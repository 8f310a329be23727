import { rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { freePort } from "./free-port.ts";
import { ManagedProcess } from "./managed-process.ts";
import { findPeer } from "./peers.ts";
import { tempDir } from "./temp-dir.ts";
import { waitUntil } from "./wait-until.ts";

/** A member of a real etcd cluster, and its JSON API. */
export class RealEtcd {
  readonly url: string;
  readonly #data: string;
  readonly #args: string[];
  #process: ManagedProcess | undefined;

  /** A cluster of one. The test's end stops it. */
  static async start(test: TestContext): Promise<RealEtcd> {
    const [member] = await RealEtcd.startCluster(test, 1);
    return member!;
  }

  /** A cluster whose members have found each other. The test's end stops them. */
  static async startCluster(test: TestContext, size: number): Promise<RealEtcd[]> {
    const peers: string[] = [];
    for (let i = 0; i < size; i++) peers.push(`m${i}=http://127.0.0.1:${await freePort()}`);
    const members: RealEtcd[] = [];
    for (let i = 0; i < size; i++) members.push(new RealEtcd(i, await freePort(), peers));
    test.after(() => Promise.all(members.map((member) => member.stop())));
    await Promise.all(members.map((member) => member.start()));
    return members;
  }

  private constructor(index: number, clientPort: number, peers: readonly string[]) {
    const [name, peer] = peers[index]!.split("=") as [string, string];
    this.url = `http://127.0.0.1:${clientPort}`;
    this.#data = join(tempDir("etcd"), "data");
    this.#args = ["--name", name, "--data-dir", this.#data, "--unsafe-no-fsync"];
    this.#args.push("--listen-client-urls", this.url, "--advertise-client-urls", this.url);
    this.#args.push("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer);
    this.#args.push("--initial-cluster", peers.join(), "--logger", "zap", "--log-level", "error");
  }

  get pid(): number {
    return this.#process!.pid;
  }

  async start(): Promise<void> {
    this.#process = new ManagedProcess(findPeer("etcd")!, this.#args);
    const healthy = () =>
      fetch(`${this.url}/health`).then(
        (reply) => reply.ok,
        () => false,
      );
    await waitUntil("etcd is healthy", healthy, 20_000);
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#process?.signal("SIGKILL");
    await this.#process?.exited;
  }

  /** Stops and resumes the process: a member that hangs, or is cut off from the others. */
  freeze(frozen: boolean): void {
    this.#process!.signal(frozen ? "SIGSTOP" : "SIGCONT");
  }

  /** Loses everything that it stored. */
  wipe(): void {
    rmSync(this.#data, { recursive: true });
  }

  async post(path: string, body: object): Promise<Record<string, unknown>> {
    const reply = await fetch(this.url + path, { method: "POST", body: JSON.stringify(body) });
    if (!reply.ok) throw new Error(await reply.text());
    return (await reply.json()) as Record<string, unknown>;
  }

  put(key: string, value: unknown, lease?: string): Promise<{ header: { revision: string } }> {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return this.post("/v3/kv/put", {
      key: btoa(key),
      value: btoa(text),
      ...(lease !== undefined && { lease }),
    }) as unknown as Promise<{ header: { revision: string } }>;
  }

  async delete(key: string): Promise<void> {
    await this.post("/v3/kv/deleterange", { key: btoa(key) });
  }
}
