import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../base/clock.ts";
import { Connection, type ConnectionHandler } from "../../net/connection.ts";
import { NetContext } from "../../net/net-context.ts";
import { TcpClient } from "../../testing/tcp-client.ts";
import type { NetworkFilter, NetworkFilterCallbacks, TerminalFilterFactory } from "../api.ts";
import { connectionInfo } from "./connection-info.ts";
import { Downstream } from "./downstream.ts";
import { NOTHING_FOUND } from "./filter-chain-match.ts";
import { FilteredConnection } from "./filtered-connection.ts";

type Make = (callbacks: NetworkFilterCallbacks) => NetworkFilter;

/** Serves one connection with some filters and a terminal one that sends back what it gets, in brackets. */
async function served(t: TestContext, filters: readonly Make[], bufferLimit = 1000): Promise<TcpClient> {
  const net = new NetContext();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = Connection.accept(socket, net, IDLE);
    const info = connectionInfo(socket, "l", NOTHING_FOUND, "");
    const downstream = new Downstream(connection, info, systemClock, 0);
    const factories = filters.map((attach) => ({ attach }));
    connection.handler = new FilteredConnection(downstream, factories, BRACKETS, bufferLimit).begin();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const client = await TcpClient.connect((server.address() as AddressInfo).port);
  t.after(() => client.close());
  return client;
}

test("bytes that came while a filter stopped the beginning get to the terminal filter in one piece", async (t) => {
  const { promise, resolve } = Promise.withResolvers<() => void>();
  const client = await served(t, [
    ({ continueReading }) => ({
      onNewConnection: () => {
        resolve(continueReading);
        return "stop";
      },
    }),
  ]);
  await client.send("one ");
  await client.send("two");
  client.halfClose();
  const goOn = await promise;
  setTimeout(goOn, 50);
  assert.ok(await client.waitFor(({ fate }) => fate === "eof", 3000));
  assert.equal(client.received, "[one two]end");
});

test("a filter sees again what it held, and the filters behind it see it once", async (t) => {
  const seen: string[] = [];
  const untilLine: Make = () => ({
    onData(bytes) {
      seen.push(`first ${bytes.toString()}`);
      return bytes.includes("\n") ? "continue" : "stop";
    },
  });
  const second: Make = () => ({
    onData(bytes) {
      seen.push(`second ${bytes.toString()}`);
      return "continue";
    },
  });
  const client = await served(t, [untilLine, second]);
  await client.send("ab");
  await new Promise((wait) => setTimeout(wait, 30));
  await client.send("c\n");
  assert.ok(await client.waitFor(({ received }) => received === "[abc\n]", 3000));
  assert.deepEqual(seen, ["first ab", "first abc\n", "second abc\n"]);
});

test("a client is not read from while too much is held for a filter", async (t) => {
  let longest = 0;
  const held: Make = ({ downstream }) => ({
    onData(bytes) {
      longest = Math.max(longest, bytes.length);
      if (downstream.connection.bytesReceived > 1_000_000) return "continue";
      return "stop";
    },
  });
  const client = await served(t, [held], 10_000);
  await Promise.race([client.send("x".repeat(20_000_000)), new Promise((wait) => setTimeout(wait, 300))]);
  assert.ok(longest >= 10_000 && longest < 200_000, `held ${longest}`);
});

test("a filter that closes hears of the end, and the terminal filter is told of the refusal", async (t) => {
  const events: string[] = [];
  const refusing: Make = ({ close, downstream }) => ({
    onNewConnection() {
      close("because");
      events.push(downstream.record.connectionTerminationDetails);
      return "stop";
    },
    onClose: () => void events.push("closed"),
  });
  const client = await served(t, [refusing]);
  assert.ok(await client.waitFor(({ fate }) => fate !== "open", 3000));
  assert.deepEqual(events, ["because", "closed"]);
});

const IDLE: ConnectionHandler = { onConnect() {}, onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} };

const BRACKETS: TerminalFilterFactory = {
  accept: ({ connection }) => ({
    ...IDLE,
    onBytes: (bytes, start, end) => connection.writeText(`[${bytes.toString("latin1", start, end)}]`),
    onEnd() {
      connection.writeText("end");
      connection.close();
    },
  }),
  drain() {},
  close() {},
};
