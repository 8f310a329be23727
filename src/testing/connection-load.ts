import { connect } from "node:net";

/** Clients that connect, ask once and go, one connection after the other, and count what becomes of them. */
export class ConnectionLoad {
  answered = 0;
  /** What went wrong, with how often. */
  readonly failed = new Map<string, number>();
  readonly #port: number;
  readonly #loops: Promise<void>[];
  #ended = false;

  constructor(port: number, clients: number) {
    this.#port = port;
    this.#loops = Array.from({ length: clients }, () => this.#loop());
  }

  /** Resolves when all have their last answer. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#loops);
  }

  async #loop(): Promise<void> {
    while (!this.#ended) {
      const outcome = await this.#ask();
      if (outcome === "answered") this.answered++;
      else this.failed.set(outcome, (this.failed.get(outcome) ?? 0) + 1);
    }
  }

  #ask(): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, "127.0.0.1");
      let received = "";
      let outcome = "closed without an answer";
      socket.on("data", (bytes) => {
        received += bytes.toString("latin1");
        if (!/^HTTP\/1\.1 200 [^]*\r\n\r\n./.test(received)) return;
        outcome = "answered";
        socket.destroy();
      });
      socket.on("error", (error: NodeJS.ErrnoException) => (outcome = error.code ?? error.message));
      socket.on("close", () => resolve(outcome));
      socket.write("GET /direct HTTP/1.1\r\nhost: a\r\n\r\n");
    });
  }
}
