import type { ToWorker } from "../link.ts";

/** What a new worker must be told to be where the others are. */
export class ReplayLog {
  readonly #secrets = new Map<string, ToWorker>();
  readonly #clusters = new Map<string, ToWorker>();
  readonly #hosts = new Map<string, ToWorker>();
  readonly #routes = new Map<string, ToWorker>();
  readonly #listeners = new Map<string, ToWorker>();
  #runtime: ToWorker | undefined;
  #logLevels: ToWorker | undefined;
  #stopped: ToWorker | undefined;

  /** Remembers what a message that goes to all workers leaves behind. */
  record(message: ToWorker): void {
    switch (message.kind) {
      case "secret":
        if (message.bytes === undefined) this.#secrets.delete(message.key);
        else this.#secrets.set(message.key, message);
        break;
      case "cluster":
        this.#clusters.set(message.name, message);
        break;
      case "hosts":
        this.#hosts.set(message.cluster, message);
        break;
      case "remove-cluster":
        this.#clusters.delete(message.name);
        this.#hosts.delete(message.name);
        break;
      case "routes":
        this.#routes.set(message.name, message);
        break;
      case "listener":
        this.#listeners.set(message.name, { ...message, closing: undefined });
        break;
      case "remove-listener":
        this.#listeners.delete(message.name);
        break;
      case "stop-listening":
        // Outbound listeners go on after the inbound ones stopped.
        if (this.#stopped?.kind !== "stop-listening" || !message.inboundOnly)
          this.#stopped = { ...message, closing: undefined };
        break;
      case "runtime":
        this.#runtime = message;
        break;
      case "log-levels":
        this.#logLevels = message;
        break;
      default:
        break;
    }
  }

  /** Route configurations that nobody asks for any longer. */
  forgetRoutes(name: string): void {
    this.#routes.delete(name);
  }

  /** All messages in an order in which nothing refers to what is not there yet. */
  messages(): ToWorker[] {
    const found = [this.#logLevels, this.#runtime, ...this.#secrets.values()];
    for (const [name, message] of this.#clusters) found.push(message, this.#hosts.get(name));
    found.push(...this.#routes.values(), ...this.#listeners.values(), this.#stopped);
    return found.filter((message) => message !== undefined);
  }
}
