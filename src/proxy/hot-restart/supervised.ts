import type { GenerationListener } from "./generation-channel.ts";
import { GENERATION_VARIABLE } from "./generation-variable.ts";
import { ProcessChannel } from "./process-channel.ts";

/** What the supervisor asks of a generation. */
export interface SupervisedHost {
  /** As at SIGTERM. */
  drain(): void;
  reopenLogs(): void;
}

/** This process's line to its supervisor, which also leads to the generations before and after it. */
export class Supervised {
  readonly epoch: number;
  readonly channel: ProcessChannel;
  fromPredecessor: GenerationListener = () => {};
  fromSuccessor: GenerationListener = () => {};
  host: SupervisedHost | undefined;
  #live = false;
  #closed = false;

  constructor(epoch: number) {
    this.epoch = epoch;
    this.channel = new ProcessChannel(process, (message, socket) => {
      const { kind } = message;
      if (kind === "shut-down") this.#shutDown();
      else if (kind === "reopen-logs") this.host?.reopenLogs();
      else if (kind === "live" || kind === "failed") return;
      else if (!this.#live || kind === "counters") this.fromPredecessor(message, socket);
      else this.fromSuccessor(message, socket);
    });
    // Without the supervisor nobody else would end us.
    process.on("disconnect", () => {
      if (!this.#closed) this.#shutDown();
    });
  }

  /** The supervisor that started this process, if any. */
  static find(env: NodeJS.ProcessEnv = process.env): Supervised | undefined {
    const epoch = env[GENERATION_VARIABLE];
    if (epoch === undefined || process.send === undefined) return undefined;
    delete env[GENERATION_VARIABLE];
    return new Supervised(Number(epoch));
  }

  /** We serve. */
  live(): void {
    this.#live = true;
    this.channel.post({ kind: "live" });
  }

  /** We do not start. */
  failed(reason: string): void {
    this.channel.post({ kind: "failed", reason });
    this.close();
  }

  /** Nothing more comes or goes; lets the process end. */
  close(): void {
    this.#closed = true;
    if (process.connected) process.disconnect?.();
  }

  #shutDown(): void {
    if (this.host === undefined) process.exit(0);
    this.host.drain();
  }
}
