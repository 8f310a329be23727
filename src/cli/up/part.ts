import { spawn, type ChildProcess } from "node:child_process";
import type { Output } from "./output.ts";

export interface PartSpec {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it is started again when it ends without being told to. */
  readonly restart: boolean;
  /** What it is, for `weft ps`. */
  readonly about: string;
  /** Where it listens, for `weft ps`. */
  readonly address: string;
  /** Told when it ends without having been stopped. */
  readonly onExit?: (how: string) => void;
  /** Told when its program cannot even be run. */
  readonly onUnrunnable?: (problem: string) => void;
  /** Our own programs end when this one does, however it ends. */
  readonly ours: boolean;
}

export type PartState = "running" | "stopped" | "exited" | "restarting";

const FIRST_RESTART_MS = 500;
const MAX_RESTART_MS = 10_000;
const CALM_MS = 10_000;

/** One process of a mesh: started, watched, started again with growing pauses, stopped. */
export class Part {
  readonly spec: PartSpec;
  readonly #output: Output;
  #child: ChildProcess | undefined;
  #state: PartState = "stopped";
  #wanted = false;
  #pause = FIRST_RESTART_MS;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(spec: PartSpec, output: Output) {
    this.spec = spec;
    this.#output = output;
  }

  get state(): PartState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    this.#wanted = true;
    clearTimeout(this.#timer);
    if (this.#child !== undefined) return;
    const { name, command, env, ours } = this.spec;
    // A group of its own: Ctrl-C reaches us alone, and we end the parts in order.
    const child = spawn(command[0]!, command.slice(1), {
      stdio: [ours ? "pipe" : "ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...env, ...(ours && { WEFT_END_WITH_STDIN: "1" }) },
    });
    this.#child = child;
    this.#state = "running";
    this.#startedAt = Date.now();
    child.stdin?.on("error", () => {});
    this.#output.follow(name, child.stdout!);
    this.#output.follow(name, child.stderr!);
    child.on("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "there is no such program" : error.message;
      const problem = `cannot run "${command[0]}": ${why}`;
      this.#output.line(name, problem);
      if (child.pid === undefined) this.spec.onUnrunnable?.(problem);
      this.#ended(error.code ?? error.message);
    });
    child.on("exit", (code, signal) => this.#ended(signal ?? `code ${code}`));
  }

  /** Asks it to end, and makes it end after `graceMs`. */
  async stop(graceMs = 5000, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined) {
      this.#state = "stopped";
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once("exit", () => resolve());
    child.kill(signal);
    const force = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await promise;
    clearTimeout(force);
  }

  #ended(how: string): void {
    if (this.#child === undefined) return;
    this.#child = undefined;
    if (!this.#wanted) {
      this.#state = "stopped";
      return;
    }
    const { name, restart, onExit } = this.spec;
    if (Date.now() - this.#startedAt > CALM_MS) this.#pause = FIRST_RESTART_MS;
    this.#state = restart ? "restarting" : "exited";
    this.#output.line(name, `ended (${how})${restart ? `; starting it again in ${this.#pause} ms` : ""}`);
    onExit?.(how);
    if (!restart) return;
    this.#timer = setTimeout(() => this.start(), this.#pause);
    this.#pause = Math.min(MAX_RESTART_MS, this.#pause * 2);
  }
}
