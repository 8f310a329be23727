import type { TestContext } from "node:test";
import { freePorts } from "../../src/cli/up/free-ports.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer } from "../../src/testing/peers.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

/** One node as `GET /v1/nodes` tells of it. */
interface Node {
  readonly id: string;
  readonly types: readonly { readonly state: string }[];
}

/** `weft control` as a process of its own, that can be killed, frozen and started again on its ports. */
export class ControlReplica {
  readonly xdsPort: number;
  readonly #apiPort: number;
  readonly #args: readonly string[];
  #process: ManagedProcess | undefined;

  /** Not yet started. The test's end stops it. @param args flags besides the ports */
  static async make(test: TestContext, args: readonly string[]): Promise<ControlReplica> {
    const [xds, api] = await freePorts(2);
    const replica = new ControlReplica(xds!, api!, args);
    test.after(() => replica.kill());
    return replica;
  }

  private constructor(xdsPort: number, apiPort: number, args: readonly string[]) {
    this.xdsPort = xdsPort;
    this.#apiPort = apiPort;
    this.#args = args;
  }

  get log(): string {
    return (this.#process?.stdout ?? "") + (this.#process?.stderr ?? "");
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const ports = ["--xds-port", String(this.xdsPort), "--api-port", String(this.#apiPort)];
    const started = new ManagedProcess(process.execPath, [
      findPeer("weft")!,
      "control",
      ...ports,
      ...this.#args,
    ]);
    this.#process = started;
    const ready = async () => {
      if (started.ended) throw new Error(`the control plane ended:\n${this.log}`);
      return (await fetch(`${this.#api}/readyz`).catch(() => undefined))?.ok === true;
    };
    await waitUntil("the control plane is ready", ready, 60_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log}`);
    });
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#process?.signal("SIGKILL");
    await this.#process?.exited;
  }

  /** Stops and resumes the process. */
  freeze(frozen: boolean): void {
    this.#process!.signal(frozen ? "SIGSTOP" : "SIGCONT");
  }

  async get<T>(path: string): Promise<T> {
    return (await (await fetch(this.#api + path)).json()) as T;
  }

  async text(path: string): Promise<string> {
    return (await fetch(this.#api + path)).text();
  }

  /** Status and body of the answer. */
  async post(path: string, body: object = {}): Promise<{ status: number; text: string }> {
    const headers = { "content-type": "application/json", "x-weft-user": "ann" };
    const reply = await fetch(this.#api + path, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: reply.status, text: await reply.text() };
  }

  /** Ids of the proxies that are with it now. */
  async nodes(): Promise<string[]> {
    return (await this.get<{ nodes: Node[] }>("/v1/nodes")).nodes.map(({ id }) => id);
  }

  get #api(): string {
    return `http://127.0.0.1:${this.#apiPort}`;
  }
}
