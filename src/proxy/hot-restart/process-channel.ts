import type { Server } from "node:net";
import type { HandedSocket } from "../link.ts";
import type { GenerationMessage, SupervisedMessage } from "./messages.ts";
import { ParkedSocket } from "./parked-socket.ts";

export type ProcessMessage = GenerationMessage | SupervisedMessage;

/** One end of Node's channel between a process and its child. */
interface Port {
  readonly connected?: boolean;
  send?(message: unknown, handle?: unknown): boolean;
  on(event: "message", listener: (message: unknown, handle: unknown) => void): unknown;
}

/** Messages and listening sockets between the supervisor and one generation. */
export class ProcessChannel {
  readonly #port: Port;
  #sending: Promise<void> = Promise.resolve();
  /** Sockets in `#sending`. */
  #underWay = 0;
  #acknowledge: (() => void) | undefined;

  constructor(port: Port, onMessage: (message: ProcessMessage, socket: ParkedSocket | undefined) => void) {
    this.#port = port;
    port.on("message", (received, handle) => {
      const message = received as ProcessMessage;
      if (message.kind === "got") return this.#acknowledge?.();
      if (message.kind !== "socket") return onMessage(message, undefined);
      // In the turn in which it came: nothing is accepted from it.
      const socket = new ParkedSocket({ bind: message.bind, server: handle as Server });
      this.#post({ kind: "got" });
      onMessage(message, socket);
    });
  }

  /** Sends a message, behind the sockets that are on their way. */
  post(message: ProcessMessage): void {
    if (this.#underWay === 0) this.#post(message);
    else this.#sending = this.#sending.then(() => this.#post(message));
  }

  /** Sends a copy of a listening socket; resolves with our own when the other side has its copy. */
  postSocket(socket: ParkedSocket): Promise<ParkedSocket> {
    this.#underWay++;
    // One after the other: Node keeps back what comes before the last one is acknowledged.
    const sent = this.#sending.then(() => this.#send(socket));
    this.#sending = sent.then(() => void this.#underWay--);
    return sent;
  }

  /** To be called when the other process is gone. */
  lost(): void {
    this.#acknowledge?.();
  }

  #post(message: ProcessMessage): void {
    if (this.#port.connected === true) this.#port.send?.(message);
  }

  #send(socket: ParkedSocket): ParkedSocket | Promise<ParkedSocket> {
    if (this.#port.connected !== true) return socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#acknowledge = resolve;
    const handed: HandedSocket = socket.unpark();
    this.#port.send?.({ kind: "socket", bind: handed.bind } satisfies ProcessMessage, handed.server);
    const parked = new ParkedSocket(handed);
    return promise.then(() => parked);
  }
}
