import type { BindAddress } from "../link.ts";
import type { GenerationChannel, GenerationListener } from "./generation-channel.ts";
import type { GenerationMessage } from "./messages.ts";
import type { ParkedSocket } from "./parked-socket.ts";

/** How long a predecessor may take to answer, in milliseconds. */
const ANSWER_TIME = 10_000;
/** How long a reader of stats waits for the predecessor's, in milliseconds. */
const COUNTERS_TIME = 100;

/** The part of the generation that takes over: what it asks of the one before. */
export class Successor {
  readonly #channel: GenerationChannel;
  readonly #waiting = new Map<GenerationMessage["kind"], () => void>();
  readonly #sockets: ParkedSocket[] = [];
  #countersEnded = false;
  #onCounters: ((values: Readonly<Record<string, number>>) => void) | undefined;

  constructor(channel: GenerationChannel) {
    this.#channel = channel;
  }

  /** Whether sockets can be handed over; otherwise both generations bind the address, and the old one closes with care. */
  get sharesSockets(): boolean {
    return this.#channel.postSocket !== undefined;
  }

  /** To be called with what the predecessor says. */
  readonly received: GenerationListener = (message, socket) => {
    if (socket !== undefined) {
      if (this.#waiting.has("handed-over")) this.#sockets.push(socket);
      else socket.close();
    } else if (message.kind === "counters") {
      this.#countersEnded = message.last;
      this.#onCounters?.(message.values);
    }
    this.#waiting.get(message.kind)?.();
  };

  /** Frees the admin address. */
  async closeAdmin(): Promise<void> {
    await this.#ask({ kind: "close-admin" }, "admin-closed", ANSWER_TIME);
  }

  /** We cannot start: the predecessor goes on. */
  giveUp(): void {
    this.#channel.post({ kind: "open-admin" });
  }

  /** Takes the listening sockets of these addresses over, as far as the predecessor has some. */
  async takeSockets(addresses: readonly BindAddress[]): Promise<ParkedSocket[]> {
    if (!this.sharesSockets) return [];
    await this.#ask({ kind: "hand-over", addresses }, "handed-over", ANSWER_TIME);
    return this.#sockets.splice(0);
  }

  /** We serve: the predecessor drains and goes. */
  retirePredecessor(): void {
    this.#channel.post({ kind: "retire" });
  }

  terminatePredecessor(): void {
    this.#channel.post({ kind: "terminate" });
  }

  /** Counts on from what the predecessor counted: `add` gets what it counts from now on. */
  followCounters(add: (name: string, delta: number) => void): void {
    this.#onCounters = (values) => {
      for (const [name, delta] of Object.entries(values)) add(name, delta);
    };
  }

  /** Resolves when the predecessor's present counters were added, or it did not answer soon. */
  async askCounters(): Promise<void> {
    if (this.#countersEnded || this.#onCounters === undefined) return;
    const answered = await this.#ask({ kind: "ask-counters" }, "counters", COUNTERS_TIME);
    // It has crashed, or is too busy to be waited for each time.
    if (!answered) this.#countersEnded = true;
  }

  /** Resolves with whether the answer came in time. */
  #ask(question: GenerationMessage, answer: GenerationMessage["kind"], timeout: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (answered: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(answer);
        resolve(answered);
      };
      const timer = setTimeout(() => done(false), timeout);
      this.#waiting.set(answer, () => done(true));
      this.#channel.post(question);
    });
  }
}
