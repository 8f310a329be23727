import { connect } from "node:net";
import type { Socket } from "node:net";

/** What became of a connection: still open, ended by the peer with FIN, or cut with RST. */
export type ConnectionFate = "open" | "eof" | "reset";

/** A raw TCP client that sends exactly what it is told and keeps all it receives as latin1 text. */
export class TcpClient {
  /** Milliseconds from connecting to the peer's end of the connection, once that has come. */
  fateAt: number | undefined;
  #socket: Socket;
  #chunks: string[] = [];
  #text = "";
  #fate: ConnectionFate = "open";
  #started = performance.now();
  #lastByteAt = performance.now();
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#chunks.push(chunk.toString("latin1"));
      this.#lastByteAt = performance.now();
      this.#wake?.();
    });
    socket.on("end", () => this.#finish("eof"));
    socket.on("error", () => this.#finish("reset"));
    socket.on("close", () => this.#wake?.());
  }

  /** @param host IP address, or path of a unix socket */
  static async connect(port: number, host = "127.0.0.1"): Promise<TcpClient> {
    const target = host.startsWith("/") ? { path: host } : { port, host };
    const socket = connect({ ...target, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new TcpClient(socket);
  }

  get received(): string {
    if (this.#chunks.length > 0) this.#text += this.#chunks.splice(0).join("");
    return this.#text;
  }

  get fate(): ConnectionFate {
    return this.#fate;
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  /** Milliseconds since the last byte came (or since connecting). */
  get quietFor(): number {
    return performance.now() - this.#lastByteAt;
  }

  /** Sends latin1 text; an error on the way shows as the connection's fate. */
  async send(text: string): Promise<void> {
    if (!this.#socket.writable) return;
    await new Promise<void>((resolve) => {
      this.#socket.write(text, "latin1", () => resolve());
    });
  }

  /** Sends FIN and goes on reading. */
  halfClose(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Closes with RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Waits until `done` holds for what came so far; false when the time is over first. */
  async waitFor(done: (client: TcpClient) => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!done(this)) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 25));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    return true;
  }

  #finish(fate: ConnectionFate): void {
    if (this.#fate !== "open") return;
    this.#fate = fate;
    this.fateAt = performance.now() - this.#started;
    this.#wake?.();
  }
}
