import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Logger } from "../api.ts";
import { ControlServer } from "./control-server.ts";
import { GENERATION_VARIABLE } from "./generation-variable.ts";
import type { ParkedSocket } from "./parked-socket.ts";
import { ProcessChannel, type ProcessMessage } from "./process-channel.ts";

export interface SupervisorOptions {
  /** Arguments of this process behind the program: the script, then its own. */
  readonly args: readonly string[];
  readonly baseId: number;
  /** How long a replaced generation may go on, in milliseconds. */
  readonly parentShutdownTime: number;
  readonly log: Logger;
  /** Opens this process's own log anew. */
  reopenLog(): void;
}

interface Generation {
  readonly epoch: number;
  readonly process: ChildProcess;
  readonly channel: ProcessChannel;
  readonly exited: Promise<number>;
}

/**
 * The process that stays while generations of the proxy come and go. It starts a new one, lets the present one hand its
 * listening sockets over when the new one is ready to listen, and tells the old one to drain once the new one serves.
 * It keeps copies of the sockets on their way, so that a generation that fails loses no client.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #ended = Promise.withResolvers<number>();
  readonly #control: ControlServer;
  #current: Generation | undefined;
  #next: Generation | undefined;
  readonly #old = new Set<Generation>();
  #restarting: Promise<void> | undefined;
  #firstStart: Promise<unknown> = Promise.resolve();
  #live: (() => void) | undefined;
  /** Why the last generation did not start. */
  #reason = "";
  #parked: ParkedSocket[] = [];
  #lastEpoch = -1;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#control = new ControlServer(options.baseId, () => this.restart());
  }

  /** Starts the first generation and runs until the last one is gone. Resolves with the exit code. */
  async run(): Promise<number> {
    const { log, reopenLog } = this.#options;
    process.on("SIGTERM", () => this.#stop());
    process.on("SIGINT", () => this.#stop());
    process.on("SIGHUP", () => {
      this.restart().catch((error: unknown) => log.error((error as Error).message));
    });
    process.on("SIGUSR1", () => {
      reopenLog();
      for (const { channel } of this.#generations()) channel.post({ kind: "reopen-logs" });
    });
    await this.#control.listen().catch((error: unknown) => log.warn((error as Error).message));
    const starting = this.#start();
    this.#firstStart = starting;
    const first = await starting;
    if (first === "failed") this.#ended.resolve(1);
    const code = await this.#ended.promise;
    this.#control.close();
    return code;
  }

  /** Replaces the present generation. Rejects with the reason if the new one cannot start; the present one goes on. */
  restart(): Promise<void> {
    this.#restarting ??= this.#firstStart
      .then(() => this.#replace())
      .finally(() => (this.#restarting = undefined));
    return this.#restarting;
  }

  async #replace(): Promise<void> {
    const { log } = this.#options;
    const before = this.#current;
    if (before === undefined || this.#stopping) throw new Error("Cannot restart: the proxy is not up");
    log.info(`hot restart: starting epoch ${this.#lastEpoch + 1}`);
    const { epoch } = before;
    if ((await this.#start()) === "failed")
      throw new Error(`Cannot restart, epoch ${epoch} goes on: ${this.#reason}`);
    log.info(`hot restart: epoch ${this.#lastEpoch} serves, epoch ${epoch} drains`);
  }

  /** Starts a generation; resolves when it serves or is gone. */
  async #start(): Promise<"live" | "failed"> {
    const generation = this.#spawn(++this.#lastEpoch);
    this.#next = generation;
    this.#reason = "";
    const live = new Promise<"live">((resolve) => (this.#live = () => resolve("live")));
    const outcome = await Promise.race([live, generation.exited]);
    if (outcome === "live") return outcome;
    this.#next = undefined;
    this.#reason ||= `epoch ${generation.epoch} ended with code ${outcome}`;
    this.#giveBack();
    return "failed";
  }

  #spawn(epoch: number): Generation {
    // A group of its own: signals of a terminal come to us alone, and we pass on what is to be done.
    const child = spawn(process.execPath, [...process.execArgv, ...this.#options.args], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      detached: true,
      env: { ...process.env, [GENERATION_VARIABLE]: String(epoch) },
    });
    const exited = once(child, "exit").then(([code]) => (code as number | null) ?? 1);
    const generation: Generation = {
      epoch,
      process: child,
      exited,
      channel: new ProcessChannel(child, (message, socket) => this.#received(generation, message, socket)),
    };
    void exited.then((code) => this.#gone(generation, code));
    return generation;
  }

  #received(from: Generation, message: ProcessMessage, socket: ParkedSocket | undefined): void {
    if (message.kind === "live") return this.#nowServing(from);
    if (message.kind === "failed") return void (this.#reason = message.reason);
    const to =
      from === this.#next
        ? this.#current
        : from === this.#current
          ? (this.#next ?? this.#latestOld())
          : this.#current;
    if (socket === undefined) return to?.channel.post(message);
    if (to === undefined) return socket.close();
    void to.channel.postSocket(socket).then((kept) => {
      if (this.#next === undefined) kept.close();
      else this.#parked.push(kept);
    });
  }

  #nowServing(generation: Generation): void {
    const old = this.#current;
    this.#current = generation;
    this.#next = undefined;
    for (const socket of this.#parked.splice(0)) socket.close();
    if (old !== undefined) {
      this.#old.add(old);
      old.channel.post({ kind: "retire" });
      const { parentShutdownTime } = this.#options;
      const timer = setTimeout(() => old.channel.post({ kind: "terminate" }), parentShutdownTime);
      timer.unref();
      void old.exited.then(() => clearTimeout(timer));
    }
    this.#live?.();
    if (this.#stopping) generation.channel.post({ kind: "shut-down" });
  }

  /** A successor failed: what it was to get goes back to whom it was taken from. */
  #giveBack(): void {
    const current = this.#current;
    for (const socket of this.#parked.splice(0)) {
      if (current === undefined) socket.close();
      else void current.channel.postSocket(socket).then((kept) => kept.close());
    }
    current?.channel.post({ kind: "open-admin" });
  }

  #gone(generation: Generation, code: number): void {
    generation.channel.lost();
    this.#old.delete(generation);
    if (generation === this.#current) {
      this.#current = undefined;
      if (!this.#stopping) this.#options.log.error(`epoch ${generation.epoch} ended with code ${code}`);
      if (this.#next === undefined || this.#stopping) this.#stop(code);
    }
    if (this.#stopping && this.#generations().length === 0) this.#ended.resolve(code);
  }

  #stop(code?: number): void {
    const again = this.#stopping && code === undefined;
    this.#stopping = true;
    for (const { channel } of this.#generations()) channel.post({ kind: again ? "terminate" : "shut-down" });
    if (this.#generations().length === 0) this.#ended.resolve(code ?? 0);
  }

  #generations(): Generation[] {
    return [...this.#old, this.#current, this.#next].filter((each) => each !== undefined);
  }

  #latestOld(): Generation | undefined {
    return [...this.#old].at(-1);
  }
}
