import { createServer, type Server } from "node:net";

/** Abstract socket on which the supervisor of a base id takes commands. */
export function controlPath(baseId: number): string {
  return `\0weft_supervisor_${baseId}`;
}

/** Takes "restart" from `weft restart` and answers with one line of JSON: `{}` or `{ "error": … }`. */
export class ControlServer {
  readonly #baseId: number;
  readonly #server: Server;

  constructor(baseId: number, restart: () => Promise<void>) {
    this.#baseId = baseId;
    this.#server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (text) => {
        if (String(text) !== "restart\n") return socket.destroy();
        restart().then(
          () => socket.end("{}\n"),
          (error: unknown) => socket.end(`${JSON.stringify({ error: (error as Error).message })}\n`),
        );
      });
    });
    this.#server.unref();
  }

  /** Rejects with an Error if another supervisor has the base id. */
  listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", () => {
      reject(
        new Error(
          `"weft restart" will not find this proxy: another one has base id ${this.#baseId} (see --base-id)`,
        ),
      );
    });
    this.#server.listen({ path: controlPath(this.#baseId) }, resolve);
    return promise;
  }

  close(): void {
    this.#server.close();
  }
}
