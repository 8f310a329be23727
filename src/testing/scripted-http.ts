import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

/** What a scripted server says. A string or object is a body with status 200; a function answers by itself. */
export type ScriptedAnswer =
  | string
  | object
  | { status: number; body?: string | object; headers?: Record<string, string> }
  | ((request: IncomingMessage, response: ServerResponse) => void);

/**
 * An HTTP server on a port of its own (or a unix socket) that a test tells what to say. Requests are recorded.
 * The test's end closes it.
 */
export class ScriptedHttp {
  readonly #server: Server;
  readonly #path: string | undefined;
  /** Method, path and query of each request. */
  readonly asked: string[] = [];
  /** The last request. */
  last: IncomingMessage | undefined;
  answer: (url: URL, request: IncomingMessage, body: string) => ScriptedAnswer | Promise<ScriptedAnswer>;

  static async start(
    test: TestContext,
    answer: ScriptedHttp["answer"] = () => ({ status: 404 }),
    path?: string,
  ): Promise<ScriptedHttp> {
    const scripted = new ScriptedHttp(answer, path);
    const server = scripted.#server;
    await new Promise<void>((resolve) =>
      path === undefined ? server.listen(0, "127.0.0.1", resolve) : server.listen(path, resolve),
    );
    test.after(() => scripted.close());
    return scripted;
  }

  private constructor(answer: ScriptedHttp["answer"], path: string | undefined) {
    this.answer = answer;
    this.#path = path;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  get url(): string {
    if (this.#path !== undefined) return `unix://${this.#path}`;
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get host(): string {
    return this.url.slice("http://".length);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Breaks every connection, as a crash would. */
  breakConnections(): void {
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    this.asked.push(`${request.method} ${request.url}`);
    this.last = request;
    const answer = await this.answer(new URL(request.url!, "http://x"), request, body);
    if (typeof answer === "function") return answer(request, response);
    const plain = typeof answer === "string" ? { status: 200, body: answer } : answer;
    const full = "status" in plain && typeof plain.status === "number" ? plain : { status: 200, body: plain };
    const {
      status,
      body: content = "",
      headers,
    } = full as {
      status: number;
      body?: string | object;
      headers?: Record<string, string>;
    };
    response.writeHead(status, headers);
    response.end(typeof content === "string" ? content : JSON.stringify(content));
  }
}
