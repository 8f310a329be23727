import { Agent, request } from "node:http";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const weft = join(import.meta.dirname, "../../bin/weft.js");

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface PartJson {
  readonly name: string;
  readonly state: string;
  readonly pid: number | null;
  readonly address: string;
  readonly about: string;
}

/** `weft up --demo` as a user starts it. */
export class DemoMesh {
  readonly dataDir: string;
  readonly edge: string;
  readonly token: string;
  readonly #process: ManagedProcess;

  static async start(t: TestContext, proxy: "weft" | "envoy"): Promise<DemoMesh> {
    const dataDir = tempDir("up");
    const flags = ["up", "--demo", `--proxy=${proxy}`, "--data-dir", dataDir, "--edge-port", "0"];
    const process = new ManagedProcess(globalThis.process.execPath, [weft, ...flags]);
    t.after(async () => process.stop(20_000));
    const line = (name: string) => new RegExp(`^${name}\\s+(\\S+)$`, "m").exec(process.stdout)?.[1];
    const token = await waitUntil(
      "the demo mesh is up",
      () => {
        if (process.ended) throw new Error(`weft up ended:\n${process.stdout}\n${process.stderr}`);
        return line("token");
      },
      60_000,
    );
    return new DemoMesh(process, dataDir, line("edge")!, token);
  }

  private constructor(process: ManagedProcess, dataDir: string, edge: string, token: string) {
    this.#process = process;
    this.dataDir = dataDir;
    this.edge = edge;
    this.token = token;
  }

  /** Everything that was printed so far. */
  get output(): string {
    return this.#process.stdout;
  }

  /** Lines of one part. */
  log(part: string): string[] {
    return this.output
      .split("\n")
      .filter((line) => line.startsWith(`${part} `))
      .map((line) => line.slice(line.indexOf(" | ") + 3));
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return get(this.edge + path, { authorization: `Bearer ${this.token}`, ...headers });
  }

  /** Runs another `weft` command against this mesh. Returns its output; throws when it fails. */
  async weft(...args: string[]): Promise<string> {
    const command = new ManagedProcess(process.execPath, [weft, ...args, "--data-dir", this.dataDir]);
    const code = await command.exited;
    if (code !== 0) throw new Error(`weft ${args.join(" ")} exits with ${code}: ${command.stderr}`);
    return command.stdout;
  }

  async parts(): Promise<PartJson[]> {
    const { readFileSync } = await import("node:fs");
    const { port } = JSON.parse(readFileSync(join(this.dataDir, "up.json"), "utf8")) as { port: number };
    return ((await (await fetch(`http://127.0.0.1:${port}/v1/parts`)).json()) as { parts: PartJson[] }).parts;
  }

  async part(name: string): Promise<PartJson> {
    const part = (await this.parts()).find((each) => each.name === name);
    if (part === undefined) throw new Error(`no part ${name}`);
    return part;
  }

  /** Admin addresses of all proxies by part name. */
  async admins(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const { name, about } of await this.parts()) {
      const admin = /admin ([\d.:]+)/.exec(about)?.[1];
      if (admin !== undefined) found.set(name, `http://${admin}`);
    }
    return found;
  }

  /** Endpoint addresses that a proxy has for a cluster. */
  async endpoints(admin: string, cluster: string): Promise<string[]> {
    const text = await (await fetch(`${admin}/clusters`)).text();
    return [...text.matchAll(new RegExp(`^${cluster}::([\\d.:]+)::cx_total`, "gm"))].map(
      (match) => match[1]!,
    );
  }

  /** Stops like Ctrl-C does; returns the exit code. */
  async interrupt(): Promise<number> {
    this.#process.signal("SIGINT");
    return this.#process.exited;
  }

  /** Requests without pause from several clients until `stop`; tells what failed. */
  load(path: string, clients = 4): { stop(): Promise<{ total: number; failures: string[] }> } {
    const agent = new Agent({ keepAlive: true, maxSockets: clients });
    let running = true;
    let total = 0;
    const failures: string[] = [];
    const workers = Array.from({ length: clients }, async () => {
      while (running) {
        try {
          const { status, body } = await get(
            this.edge + path,
            { authorization: `Bearer ${this.token}` },
            agent,
          );
          if (status !== 200) failures.push(`${status} ${body}`);
        } catch (error) {
          failures.push(String(error));
        }
        total++;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    return {
      async stop() {
        running = false;
        await Promise.all(workers);
        agent.destroy();
        return { total, failures };
      },
    };
  }
}

async function get(url: string, headers: Record<string, string>, agent?: Agent): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(url, { headers, agent, timeout: 10_000 }, (response) => {
    let body = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => (body += chunk));
    response.on("error", reject);
    response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
  });
  outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 10 s")));
  outgoing.on("error", reject);
  outgoing.end();
  return promise;
}
