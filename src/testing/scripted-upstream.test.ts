import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedUpstream } from "./scripted-upstream.ts";
import { TcpClient } from "./tcp-client.ts";

test("ScriptedUpstream plays the script of each connection and records what came", async () => {
  const upstream = await ScriptedUpstream.start([
    [{ expect: "request" }, { send: "first" }, { match: "go" }, { end: "reset" }],
    [{ expect: "head" }, { sendNext: ["a", "b"] }, { repeat: true }],
  ]);
  const first = await TcpClient.connect(upstream.port);
  await first.send("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab");
  await first.send("c");
  assert.ok(await first.waitFor((client) => client.received === "first", 1000));
  await first.send("now go");
  assert.ok(await first.waitFor((client) => client.fate === "reset", 1000));

  const second = await TcpClient.connect(upstream.port);
  await second.send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
  assert.ok(await second.waitFor((client) => client.received === "abb", 1000));
  second.close();
  await upstream.close();
  assert.match(upstream.connections[0]!.received, /abcnow go$/);
  assert.equal(upstream.connections.length, 2);
});

test("TcpClient tells an ended connection from one that is open", async () => {
  const upstream = await ScriptedUpstream.start([[{ match: "x" }, { send: "bye" }, { end: "close" }]]);
  const client = await TcpClient.connect(upstream.port);
  assert.equal(await client.waitFor(({ fate }) => fate !== "open", 30), false);
  await client.send("x");
  assert.ok(await client.waitFor(({ fate }) => fate === "eof", 1000));
  assert.equal(client.received, "bye");
  assert.ok(client.fateAt! >= 0);
  await upstream.close();
});
