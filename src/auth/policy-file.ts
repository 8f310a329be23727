import { readFileSync, statSync } from "node:fs";
import type { Logger } from "pino";
import type { Clock } from "../base/clock.ts";
import { ConfigError } from "../base/load-config.ts";
import { loadConfig } from "../base/load-config.ts";
import type { Policy } from "./policy.ts";
import { policySchema } from "./policy-schema.ts";

const pollMs = 500;

/** A policy in a file, read again when the file changes; a broken one leaves the last good one in force. */
export class PolicyFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #policy: Policy;
  #mark: string;
  #cancel: () => void = () => {};
  reloads = 0;
  failures = 0;

  /** Throws a ConfigError with each problem's line when the file is bad. */
  constructor(path: string, clock: Clock, log: Logger) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
    this.#mark = markOf(path);
    this.#policy = readPolicyFile(path);
    this.#schedule();
  }

  get policy(): Policy {
    return this.#policy;
  }

  stop(): void {
    this.#cancel();
    this.#cancel = () => {};
  }

  // Polled, because a watch on a file ends when the file is replaced, which is how careful people change it.
  #schedule(): void {
    this.#cancel = this.#clock.after(pollMs, () => {
      this.#schedule();
      this.#look();
    });
  }

  #look(): void {
    const mark = markOf(this.#path);
    if (mark === this.#mark) return;
    this.#mark = mark;
    try {
      this.#policy = readPolicyFile(this.#path);
      this.reloads++;
      this.#log.info({ path: this.#path, rules: this.#policy.rules.length }, "policy read again");
    } catch (error) {
      this.failures++;
      const problems = error instanceof ConfigError ? error.problems : [(error as Error).message];
      this.#log.error({ problems }, "the policy file is bad: the last good one stays in force");
    }
  }
}

/** Reads a policy. Throws a ConfigError with each problem as `Cannot load "FILE": line N: …`. */
export function readPolicyFile(path: string): Policy {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError([`Cannot load "${path}": ${(error as Error).message}`]);
  }
  return loadConfig(policySchema, text, path);
}

/** Changes when the file does. */
function markOf(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return "missing";
  }
}
