import assert from "node:assert/strict";
import { once } from "node:events";
import { BoundSocket, connect, createServer, Socket, type Server } from "node:net";
import { test } from "node:test";
import { closeListening } from "./close-listening.ts";
import { isProbe } from "./listen-probe.ts";

async function listenOn(port: number, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => (isProbe(socket) ? socket.destroy() : onConnection(socket)));
  server.listen({ host: "127.0.0.1", port, reusePort: true });
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}

/** Connects before it returns; resolves with what the server sent, or the error. */
function connectNow(port: number): Promise<string> {
  const socket = new Socket({ handle: new BoundSocket({ host: "127.0.0.1" }) });
  socket.connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    let received = "";
    socket.on("data", (bytes) => (received += String(bytes)));
    socket.on("end", () => resolve(received));
    socket.on("error", (error) => resolve(error.message));
  });
}

test("closeListening() serves whoever waits to be accepted, on all sockets of the address", async () => {
  const greet = (socket: Socket): void => void socket.end("hi");
  const first = await listenOn(0, greet);
  const servers = [first, await listenOn(portOf(first), greet)];
  const port = portOf(first);
  const clients = Array.from({ length: 20 }, () => connectNow(port));
  await closeListening(servers, "127.0.0.1", port);
  assert.deepEqual(new Set(await Promise.all(clients)), new Set(["hi"]));
  assert.deepEqual(
    servers.map(({ listening }) => listening),
    [false, false],
  );
  const [error] = (await once(connect(port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
});

test("closeListening() closes beside somebody who goes on listening", async () => {
  const greet = (name: string) => (socket: Socket) => void socket.end(name);
  const staying = await listenOn(0, greet("stays"));
  const port = portOf(staying);
  const going = [await listenOn(port, greet("goes")), await listenOn(port, greet("goes"))];
  const clients = Array.from({ length: 30 }, () => connectNow(port));
  await closeListening(going, "127.0.0.1", port, true);
  const answers = new Set(await Promise.all(clients));
  assert.deepEqual([...answers].sort(), ["goes", "stays"]);
  assert.ok(going.every(({ listening }) => !listening));
  assert.equal(await connectNow(port), "stays");
  staying.close();
});
