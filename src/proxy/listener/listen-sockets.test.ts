import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { freePort } from "../../testing/free-port.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { ListenSockets } from "./listen-sockets.ts";

const OPTIONS = { workerIndex: 0, bufferLimit: 65_536, backlog: 0, transparent: false };

test("ListenSockets accept several connections in a round of the event loop", async (t) => {
  const bind = { ip: "127.0.0.1", port: await freePort(), path: "" };
  const clients = 64;
  const accepted: Socket[] = [];
  const rounds = new Set<number>();
  let round = 0;
  const next = (): void => void (++round, accepted.length < clients && setImmediate(next));
  const sockets = new ListenSockets(OPTIONS, (socket) => {
    accepted.push(socket);
    rounds.add(round);
  });
  await sockets.listen([bind]);
  assert.deepEqual(sockets.addresses(), [bind], "an address is one, however many sockets it has");
  const made = Array.from({ length: clients }, () => connect(bind.port, bind.ip));
  t.after(() => {
    for (const socket of [...made, ...accepted]) socket.destroy();
    sockets.closeNow();
  });
  next();
  await waitUntil("all are accepted", () => accepted.length === clients);
  // The system spreads them by a hash: some sockets get more than others.
  assert.ok(rounds.size <= clients / 2, `${rounds.size} rounds for ${clients} connections`);
});
