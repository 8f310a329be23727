import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionFate } from "./tcp-client.ts";
import { readHttpMessage } from "./read-http.ts";

/** One thing a scripted connection does. Text is latin1 and sent exactly as given. */
export type UpstreamAction =
  /** Wait for a whole request, only its head, or a regular expression in what came since the last expectation. */
  | { expect: "request" | "head" }
  | { match: string }
  /** Wait for the peer's end; a script with this keeps its own direction open then. */
  | { expect: "end" }
  | { send: string }
  /** Send the next of these texts, counted over all connections; the last one stays. */
  | { sendNext: readonly string[] }
  /** Wait milliseconds. */
  | { delay: number }
  /** End the connection: FIN in both directions, RST, or FIN of our direction only. */
  | { end: "close" | "reset" | "half" }
  /** Start over with the first action. */
  | { repeat: true };

/** The script of the n-th accepted connection; the last one serves all further connections. */
export type UpstreamScript = readonly (readonly UpstreamAction[])[];

/** What one connection to the upstream saw. */
export interface UpstreamConnection {
  readonly received: string;
  readonly fate: ConnectionFate;
}

/** A raw server that plays a script and records everything; it never interprets more than a script asks for. */
export class ScriptedUpstream {
  readonly connections: UpstreamConnection[] = [];
  #server: Server;
  #sockets = new Set<Socket>();
  #nextReply = 0;
  #script: UpstreamScript;

  private constructor(script: UpstreamScript, tls: TlsOptions | undefined) {
    this.#script = script;
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server =
      tls === undefined
        ? createServer({ allowHalfOpen: true }, accept)
        : createTlsServer({ ...tls, allowHalfOpen: true }, accept);
  }

  /** @param where IP address, or path of a unix socket */
  static async start(
    script: UpstreamScript,
    tls?: TlsOptions,
    where = "127.0.0.1",
  ): Promise<ScriptedUpstream> {
    const upstream = new ScriptedUpstream(script, tls);
    await new Promise<void>((resolve, reject) => {
      upstream.#server.once("error", reject);
      if (where.startsWith("/")) upstream.#server.listen(where, resolve);
      else upstream.#server.listen(0, where, resolve);
    });
    return upstream;
  }

  /** 0 on a unix socket. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "string" ? 0 : (address as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const script = this.#script[Math.min(this.connections.length, this.#script.length - 1)] ?? [];
    const outlasts = script.some((action) => "expect" in action && action.expect === "end");
    const connection = new Connection(socket, outlasts);
    this.connections.push(connection);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    void play(connection, script, (texts) => texts[Math.min(this.#nextReply++, texts.length - 1)] ?? "");
  }
}

async function play(
  connection: Connection,
  script: readonly UpstreamAction[],
  next: (texts: readonly string[]) => string,
): Promise<void> {
  for (let i = 0; i < script.length && !connection.socket.destroyed; i++) {
    const action = script[i]!;
    if ("expect" in action || "match" in action) {
      if (!(await connection.expect(action))) return;
    } else if ("send" in action) await connection.send(action.send);
    else if ("sendNext" in action) await connection.send(next(action.sendNext));
    else if ("delay" in action) await sleep(action.delay);
    else if ("end" in action) connection.end(action.end);
    else i = -1;
  }
}

class Connection implements UpstreamConnection {
  readonly socket: Socket;
  fate: ConnectionFate = "open";
  #text = "";
  #consumed = 0;
  #wake: (() => void) | undefined;
  readonly #outlasts: boolean;

  constructor(socket: Socket, outlasts: boolean) {
    this.socket = socket;
    this.#outlasts = outlasts;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#text += chunk.toString("latin1");
      this.#wake?.();
    });
    socket.on("end", () => this.#finish("eof"));
    socket.on("error", () => this.#finish("reset"));
    socket.on("close", () => this.#wake?.());
  }

  get received(): string {
    return this.#text;
  }

  /** Consumes what is expected; false when the connection is over first. */
  async expect(what: { expect: "request" | "head" | "end" } | { match: string }): Promise<boolean> {
    for (;;) {
      if ("expect" in what && what.expect === "end" && this.fate !== "open") return this.fate === "eof";
      const end = this.#find(what);
      if (end !== undefined) {
        this.#consumed = end;
        return true;
      }
      if (this.fate !== "open" || this.socket.destroyed) return false;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }

  async send(text: string): Promise<void> {
    if (!this.socket.writable) return;
    await new Promise<void>((resolve) => {
      this.socket.write(text, "latin1", () => resolve());
    });
  }

  end(how: "close" | "reset" | "half"): void {
    if (how === "half") this.socket.end();
    else if (how === "reset") this.socket.resetAndDestroy();
    else this.socket.end(() => this.socket.destroy());
  }

  #find(what: { expect: "request" | "head" | "end" } | { match: string }): number | undefined {
    if ("match" in what) {
      const found = new RegExp(what.match, "s").exec(this.#text.slice(this.#consumed));
      return found === null ? undefined : this.#consumed + found.index + found[0].length;
    }
    if (what.expect === "end") return undefined;
    const message = readHttpMessage(this.#text, this.#consumed);
    if (message === undefined) return undefined;
    if (what.expect === "head") return this.#text.indexOf("\r\n\r\n", this.#consumed) + 4;
    return message.complete ? message.end : undefined;
  }

  #finish(fate: ConnectionFate): void {
    if (this.fate === "open") this.fate = fate;
    if (fate === "eof" && !this.#outlasts) this.socket.end();
    this.#wake?.();
  }
}
