import { renameSync, writeFileSync } from "node:fs";
import { Agent, createServer, request, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { startControl, type ControlOptions, type ControlPlane } from "../../src/control/control.ts";
import { startProxy, type ProxyKind, type RunningProxy } from "../../src/testing/start-proxy.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

/** An instance as the file source has it. */
export interface Instance {
  readonly ip?: string;
  readonly port: number;
  readonly version?: string;
  readonly region?: string;
  readonly zone?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Services by name with the ports of their instances, or more of them. */
export type Services = Readonly<Record<string, readonly (number | Instance)[]>>;

export interface NodeStatus {
  id: string;
  view: string;
  types: { type: string; state: string; error: string }[];
}

/** A control plane over a file source and a policy file, both of which a test rewrites. */
export class ControlMesh {
  readonly context: TestContext;
  readonly folder = tempDir("control-envoy");
  readonly sources = tempDir("control-sources");
  readonly policyFile = join(this.folder, "mesh.yaml");
  readonly log: string[] = [];
  #control: ControlPlane | undefined;

  constructor(context: TestContext) {
    this.context = context;
  }

  get control(): ControlPlane {
    return this.#control!;
  }

  async start(options: Partial<ControlOptions> = {}): Promise<ControlPlane> {
    const note = (message: string) => void this.log.push(message);
    this.#control = await startControl({
      sources: [`file:path=${this.sources}`],
      mesh: this.policyFile,
      lingerMs: 500,
      log: { info: note, warn: note },
      ...options,
    });
    const control = this.#control;
    this.context.after(() => control.close());
    return control;
  }

  writeServices(services: Services): void {
    const content = Object.entries(services).map(([name, ports]) => [
      name,
      {
        instances: ports.map((each) => ({
          ip: "127.0.0.1",
          ...(typeof each === "number" ? { port: each } : each),
        })),
      },
    ]);
    replaceFile(join(this.sources, "services.json"), { services: Object.fromEntries(content) });
  }

  writePolicy(policy: object): void {
    replaceFile(this.policyFile, { access_log: "off", ...policy });
  }

  async envoy(bootstrap: object, args: string[] = []): Promise<RunningProxy> {
    return this.proxy("envoy", bootstrap, args);
  }

  async proxy(kind: ProxyKind, bootstrap: object, args: string[] = []): Promise<RunningProxy> {
    const proxy = await startProxy(kind, bootstrap, { args });
    this.context.after(() => proxy.stop());
    return proxy;
  }

  async api<T>(path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.control.apiPort}${path}`);
    const text = await response.text();
    return (path.startsWith("/v1/") ? JSON.parse(text) : text) as T;
  }

  async node(id: string): Promise<NodeStatus | undefined> {
    const { nodes } = await this.api<{ nodes: NodeStatus[] }>("/v1/nodes");
    return nodes.find((node) => node.id === id);
  }

  async synced(id: string): Promise<void> {
    let rejected: NodeStatus["types"][number] | undefined;
    try {
      await waitUntil(`${id} is synced`, async () => {
        const node = await this.node(id);
        rejected = node?.types.find(({ state }) => state === "nacked");
        return node !== undefined && node.types.every(({ state }) => state === "synced");
      });
    } catch (error) {
      if (rejected === undefined) throw error;
      throw new Error(`${id} rejects ${rejected.type}: ${rejected.error}`, { cause: error });
    }
  }
}

/** An HTTP server that answers every request with its name. Returns its port. */
export async function startNamed(context: TestContext, name: string): Promise<number> {
  return startAnswering(context, (_request, response) => response.end(name));
}

/** A version that fails every second request, and says it is "bad". */
export async function startFailing(context: TestContext): Promise<number> {
  let count = 0;
  return startAnswering(context, (_request, response) => {
    response.statusCode = count++ % 2 === 0 ? 500 : 200;
    response.end("bad");
  });
}

/** An HTTP server of one's own making. Returns its port. */
export async function startAnswering(context: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** One GET; `STATUS BODY`, or `error CODE`. */
export async function get(port: number, path: string, host = "test", agent?: Agent): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const asked = request({ host: "127.0.0.1", port, path, headers: { host }, agent }, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (text: string) => (body += text));
    response.on("end", () => resolve(`${response.statusCode} ${body}`.trim()));
    response.on("error", (error) => resolve(`error ${error.message}`));
  });
  asked.on("error", (error) => resolve(`error ${error.message}`)).end();
  return promise;
}

/** A few clients that ask without pause until told to stop. */
export class Load {
  /** How often each answer came. */
  readonly answers = new Map<string, number>();
  readonly #agent = new Agent({ keepAlive: true });
  readonly #clients: Promise<void>[];
  #stopped = false;

  constructor(port: number, path: string, host?: string) {
    this.#clients = Array.from({ length: 4 }, async () => {
      while (!this.#stopped) {
        const answer = await get(port, path, host, this.#agent);
        this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
  }

  /** Answers that did not begin with 200, with their number. */
  get failures(): [string, number][] {
    return [...this.answers].filter(([answer]) => !answer.startsWith("200 "));
  }

  get total(): number {
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }
}

function replaceFile(file: string, content: unknown): void {
  const temporary = `${file}.tmp`;
  writeFileSync(temporary, JSON.stringify(content));
  renameSync(temporary, file);
}
