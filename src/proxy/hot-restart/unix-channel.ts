import { chmodSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { GenerationChannel, GenerationListener } from "./generation-channel.ts";
import type { GenerationMessage } from "./messages.ts";

/** The path on which a generation waits for its successor; a leading "@" means the abstract namespace. */
export function generationPath(socketPath: string, baseId: number, epoch: number): string {
  return `${socketPath}_${baseId}_${epoch}`.replace(/^@/, "\0");
}

/** Messages between two generations that were started independently: lines of JSON. Sockets cannot be sent. */
export class UnixChannel implements GenerationChannel {
  readonly #socket: Socket;

  constructor(socket: Socket, onMessage: GenerationListener) {
    this.#socket = socket;
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", () => {});
    socket.on("data", (chunk: string) => {
      const lines = (text + chunk).split("\n");
      text = lines.pop()!;
      for (const line of lines) onMessage(JSON.parse(line) as GenerationMessage, undefined);
    });
    socket.unref();
  }

  post(message: GenerationMessage): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }
}

/** Reaches the generation that waits there; undefined if none does. */
export function connectPredecessor(
  path: string,
  onMessage: GenerationListener,
): Promise<GenerationChannel | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => resolve(new UnixChannel(socket, onMessage)));
    socket.once("error", () => resolve(undefined));
  });
}

/**
 * Waits for a successor. Rejects with a system error, EADDRINUSE if another proxy waits there.
 * @param mode permissions of a path that is a file, octal
 * @param onConnect gives what takes the messages of a channel
 */
export async function awaitSuccessor(
  path: string,
  mode: number,
  onConnect: (channel: GenerationChannel) => GenerationListener,
): Promise<Server> {
  const server = createServer((socket) => {
    let listener: GenerationListener = () => {};
    const channel = new UnixChannel(socket, (message, handed) => listener(message, handed));
    listener = onConnect(channel);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, resolve);
  });
  server.unref();
  if (!path.startsWith("\0")) chmodSync(path, mode);
  return server;
}
