import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import type { Clock } from "../base/clock.ts";
import type { TokenIndex } from "./token-index.ts";
import type { ReaderMessage } from "./token-messages.ts";

const pollMs = 200;
const restartMs = 500;

/**
 * Keeps a TokenIndex as the store has it. The reading is done by a thread that may die and is then replaced; while nothing can
 * be read, the index stays as it is, and says how old it is.
 */
export class TokenReader {
  readonly #path: string;
  readonly #index: TokenIndex;
  readonly #clock: Clock;
  readonly #log: Logger;
  #worker: Worker | undefined;
  #stopped = false;
  #failing = false;
  #freshAt: number;
  #cancelRestart: () => void = () => {};
  restarts = 0;
  failures = 0;

  constructor(path: string, index: TokenIndex, clock: Clock, log: Logger) {
    this.#path = path;
    this.#index = index;
    this.#clock = clock;
    this.#log = log;
    this.#freshAt = clock.now();
  }

  /** Seconds since the index was last known to be as the store. */
  get staleSeconds(): number {
    return Math.max(0, this.#clock.now() - this.#freshAt) / 1000;
  }

  /** Starts reading; resolves after the first successful read. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#spawn(resolve));
  }

  /** Ends the thread as if it had died; it is replaced. */
  async kill(): Promise<void> {
    await this.#worker?.terminate();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRestart();
    await this.#worker?.terminate();
  }

  #spawn(onFirst: () => void): void {
    // The same extension as this file's: .ts in a checkout, .js in the package.
    const program = new URL(`./token-reader-thread${import.meta.url.slice(-3)}`, import.meta.url);
    const worker = new Worker(program, { workerData: { path: this.#path, pollMs }, name: "token-reader" });
    worker.unref();
    this.#worker = worker;
    worker.on("message", (message: ReaderMessage) => {
      this.#receive(message);
      if (message.type !== "failed") onFirst();
    });
    worker.on("error", (error) =>
      this.#log.error({ error: String(error) }, "the reader of the token store failed"),
    );
    worker.on("exit", () => {
      if (this.#stopped) return;
      this.restarts++;
      this.#log.warn(
        { known: this.#index.size },
        "the reader of the token store ended: known tokens stay; it is started again",
      );
      this.#cancelRestart = this.#clock.after(restartMs, () => this.#spawn(onFirst));
    });
  }

  #receive(message: ReaderMessage): void {
    if (message.type === "failed") {
      this.failures++;
      if (!this.#failing) {
        this.#log.error(
          { error: message.error, known: this.#index.size },
          "cannot read the token store: known tokens stay",
        );
      }
      this.#failing = true;
      return;
    }
    if (this.#failing)
      this.#log.info({ staleSeconds: this.staleSeconds }, "the token store can be read again");
    this.#failing = false;
    this.#freshAt = this.#clock.now();
    if (message.type === "rows") this.#apply(message);
  }

  #apply(message: Extract<ReaderMessage, { type: "rows" }>): void {
    const before = this.#index.size;
    const bad = this.#index.apply(message.rows, message.full);
    for (const id of bad)
      this.#log.error({ id }, "a token of the store has a user or roles that fit no header: left out");
    if (message.full && this.#index.size < before) {
      this.#log.warn(
        { before, now: this.#index.size },
        "the token store was read anew and holds fewer tokens",
      );
    }
  }
}
