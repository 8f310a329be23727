import { spawn, type ChildProcess } from "node:child_process";
import { defineSource } from "../catalog/source.ts";
import { parseDocument } from "./shared/document.ts";
import { follow, poll } from "./shared/follow.ts";
import type { Reading } from "../model.ts";

const MAX_OUTPUT = 64 * 1024 * 1024;
const MAX_ERRORS = 2000;

/**
 * A command that prints services in the form of the file source: a whole document each time it runs, or, with
 * `mode=stream`, one document per line for as long as it lives. A command that fails, takes too long or prints anything
 * else takes nothing away.
 */
export const execSource = defineSource({
  name: "exec",
  description: "a command that prints services in the form of the file source",
  options: {
    command: { required: true, description: "command line for /bin/sh; write \\, for a comma" },
    mode: {
      default: "interval",
      choices: ["interval", "stream"],
      description: "interval: run it again and again; stream: it goes on and prints one document per line",
    },
    interval: { kind: "duration", default: "10s", min: 10, description: "time between runs" },
    timeout: { kind: "duration", default: "30s", min: 1, description: "longest time for one run" },
  },
  watch({ command, mode, interval, timeout }, context) {
    const place = `command ${JSON.stringify(command)}`;
    return follow(
      place,
      context,
      mode === "stream"
        ? (signal) => stream(command, signal)
        : poll(interval, (signal) => run(command, timeout, signal)),
    );
  },
});

async function run(command: string, timeoutMs: number, signal: AbortSignal): Promise<Reading> {
  const child = new Command(command, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
  let output = "";
  for await (const text of child.output()) {
    output += text;
    if (output.length > MAX_OUTPUT) {
      child.kill();
      throw new Error(`it prints more than ${MAX_OUTPUT} characters`);
    }
  }
  await child.succeeded(`within ${timeoutMs} ms`);
  return { kind: "ok", services: parseDocument(output, "standard output") };
}

async function* stream(command: string, signal: AbortSignal): AsyncGenerator<Reading> {
  const child = new Command(command, signal);
  try {
    let rest = "";
    for await (const text of child.output()) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      if (rest.length > MAX_OUTPUT) throw new Error(`it prints a line of more than ${MAX_OUTPUT} characters`);
      for (const line of lines) {
        if (line.trim() !== "") yield { kind: "ok", services: parseDocument(line, "standard output") };
      }
    }
    await child.succeeded("");
    throw new Error("it ended");
  } finally {
    child.kill();
  }
}

/** A running command; the signal kills it and everything that it started. */
class Command {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #ended: Promise<string>;
  #errors = "";

  constructor(command: string, signal: AbortSignal) {
    // A group of its own, so that what the shell started can be ended with it.
    const child = spawn("/bin/sh", ["-c", command], { stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.#child = child;
    this.#signal = signal;
    const kill = () => this.kill();
    signal.addEventListener("abort", kill);
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-MAX_ERRORS);
    });
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => resolve(`cannot be run: ${error.message}`));
      child.once("close", (code, killer) => {
        signal.removeEventListener("abort", kill);
        resolve(code === 0 ? "" : code === null ? `died by ${killer}` : `ended with code ${code}`);
      });
    });
  }

  output(): AsyncIterable<string> {
    return this.#child.stdout!.setEncoding("utf8") as AsyncIterable<string>;
  }

  /** Waits for its end. Throws an Error with what it said on standard error when it did not end well. */
  async succeeded(limit: string): Promise<void> {
    const problem = await this.#ended;
    if (problem === "") return;
    if (this.#signal.aborted) throw new Error(`it did not end ${limit}`);
    const said = this.#errors.trim();
    throw new Error(`it ${problem}${said === "" ? "" : `: ${said.slice(-200)}`}`);
  }

  kill(): void {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null)
      return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // It ended in this moment.
    }
  }
}
