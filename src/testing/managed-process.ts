import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";

/** Everything started and not yet ended; ended with this process, so that no test leaves a program behind. */
const running = new Set<ChildProcess>();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const [signal, code] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
  ["SIGHUP", 129],
] as const) {
  process.once(signal, () => process.exit(code));
}

/** A program started for a test, its output kept in memory. */
export class ManagedProcess {
  readonly pid: number;
  /** Exit code, or the negative number 1000 for a death by signal; resolves once, never rejects. */
  readonly exited: Promise<number>;
  #child: ChildProcess;
  #stdout = "";
  #stderr = "";
  #ended = false;

  constructor(
    command: string,
    args: readonly string[],
    options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
  ) {
    const child = spawn(command, [...args], { stdio: ["ignore", "pipe", "pipe"], ...options });
    this.#child = child;
    this.pid = child.pid ?? -1;
    running.add(child);
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.exited = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#stderr += `${error.message}\n`;
        this.#end();
        resolve(-1);
      });
      child.once("close", (code) => {
        this.#end();
        resolve(code ?? -1000);
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get ended(): boolean {
    return this.#ended;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Asks with SIGTERM, insists with SIGKILL after `graceMs`. Returns the exit code. */
  async stop(graceMs = 3000): Promise<number> {
    if (!this.#ended) this.#child.kill("SIGTERM");
    const insist = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    const code = await this.exited;
    clearTimeout(insist);
    return code;
  }

  #end(): void {
    this.#ended = true;
    running.delete(this.#child);
  }
}
