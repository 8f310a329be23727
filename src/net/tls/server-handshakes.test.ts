import assert from "node:assert/strict";
import { connect as connectPlain, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { connect } from "node:tls";
import { makeCertificate } from "../../testing/certs.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { Connection, type ConnectionHandler } from "../connection.ts";
import { NetContext } from "../net-context.ts";
import { ServerHandshakes } from "./server-handshakes.ts";

const servers: Server[] = [];
after(() => servers.forEach((server) => server.close()));

const own = makeCertificate({ name: "server" });

const NOTHING: ConnectionHandler = { onConnect() {}, onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} };

/** Accepts sockets, shakes hands and hands the connections over. */
async function listen(onConnection: (connection: Connection) => void): Promise<number> {
  const net = new NetContext();
  const handshakes = new ServerHandshakes({ cert: own.cert, key: own.key }, undefined, 0, () => {});
  const server = createServer({ allowHalfOpen: true }, (raw: Socket) => {
    raw.on("error", () => {});
    handshakes.start(raw, {
      onSecure: (socket) => onConnection(Connection.accept(socket, net, NOTHING, raw)),
      onFailed() {},
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** What a client gets, and how its connection ends. */
async function end(port: number): Promise<{ text: string; fate: string }> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  let text = "";
  let fate = "";
  socket.on("data", (bytes: Buffer) => (text += bytes.toString()));
  socket.on("end", () => (fate ||= "eof"));
  socket.on("error", (error: NodeJS.ErrnoException) => (fate ||= error.code ?? error.message));
  await waitUntil("the end", () => fate !== "", 2000, 2);
  socket.destroy();
  return { text, fate };
}

describe("ServerHandshakes", () => {
  it("gives each answer to the socket that it belongs to", async () => {
    const net = new NetContext();
    const handshakes = new ServerHandshakes({ cert: own.cert, key: own.key }, undefined, 0, () => {});
    let next = 0;
    const server = createServer((raw: Socket) => {
      const number = next++;
      raw.on("error", () => {});
      handshakes.start(raw, {
        onSecure(socket) {
          const connection = Connection.accept(socket, net, NOTHING, raw);
          connection.writeText(`${number} ${raw.remotePort === socket.remotePort}`);
          connection.close();
        },
        onFailed() {},
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const all = await Promise.all(Array.from({ length: 8 }, () => end(port)));
    assert.deepEqual(
      all.map(({ text }) => text).sort(),
      Array.from({ length: 8 }, (_, i) => `${i} true`),
    );
  });

  it("leaves connections that can be ended and reset", async () => {
    const closing = await listen((connection) => {
      connection.writeText("bye");
      connection.close();
    });
    assert.deepEqual(await end(closing), { text: "bye", fate: "eof" });
    const resetting = await listen((connection) => connection.reset());
    assert.equal((await end(resetting)).fate, "ECONNRESET");
  });

  it("lets go of clients that leave during the handshake", async () => {
    const handshakes = new ServerHandshakes({ cert: own.cert, key: own.key }, undefined, 0, () => {});
    let closed = 0;
    let accepted: Socket | undefined;
    after(() => accepted?.destroy());
    const server = createServer({ allowHalfOpen: true }, (raw: Socket) => {
      raw.on("error", () => {});
      raw.on("close", () => closed++);
      accepted = raw;
      handshakes.start(raw, { onSecure() {}, onFailed() {} });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const client = connectPlain(port, "127.0.0.1", () => client.end());
    await waitUntil("the server lets go", () => closed === 1, 2000, 2);
  });

  it("lets a client half-close after the handshake", async () => {
    const port = await listen((connection) => {
      connection.handler = {
        ...NOTHING,
        onEnd() {
          connection.writeText("late");
          connection.close();
        },
      };
    });
    const raw = connectPlain({ port, host: "127.0.0.1", allowHalfOpen: true });
    const client = connect({ socket: raw, rejectUnauthorized: false });
    let text = "";
    client.on("data", (bytes: Buffer) => (text += bytes.toString()));
    client.once("secureConnect", () => client.end());
    await waitUntil("the answer", () => text === "late", 2000, 2);
    client.destroy();
  });
});
