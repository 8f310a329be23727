import assert from "node:assert/strict";
import { once } from "node:events";
import { BoundSocket, createServer, Socket, type AddressInfo } from "node:net";
import { test } from "node:test";
import { hasWaitingConnections } from "./waiting-connections.ts";

for (const host of ["127.0.0.1", "::1"])
  test(`hasWaitingConnections() sees who waits on ${host} until he is accepted, and nobody else`, async (t) => {
    const server = createServer();
    server.listen({ host, port: 0 });
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    t.after(() => server.close());
    const bound = new BoundSocket({ host });
    const source = bound.address().port;
    const client = new Socket({ handle: bound });
    t.after(() => client.destroy());
    const accepted = once(server, "connection") as Promise<[Socket]>;
    assert.equal(hasWaitingConnections(port, new Set()), false);
    client.connect(port, host);
    assert.equal(hasWaitingConnections(port, new Set()), true);
    assert.equal(hasWaitingConnections(port, new Set([source])), false);
    const [socket] = await accepted;
    t.after(() => socket.destroy());
    assert.equal(hasWaitingConnections(port, new Set()), false);
  });
