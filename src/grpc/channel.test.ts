import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { makeCertificate } from "../testing/certs.ts";
import { freePort } from "../testing/free-port.ts";
import { GrpcChannel, type ChannelTls } from "./channel.ts";
import { GrpcClient } from "./client.ts";
import { GrpcServer, type GrpcServerTls } from "./server.ts";
import type { GrpcStatus } from "./status.ts";
import { unaryMethod } from "./unary-method.ts";

async function start(t: TestContext, port = 0, tls?: GrpcServerTls) {
  const server = new GrpcServer();
  if (tls !== undefined) server.setTls(tls);
  server.register(
    "/a.B/Upper",
    unaryMethod((request) => Buffer.from(request.toString().toUpperCase())),
  );
  server.register("/a.B/Silent", () => ({ onMessage() {}, onEnd() {}, onClose() {} }));
  const bound = await server.listen("127.0.0.1", port);
  t.after(() => server.close());
  return { server, port: bound };
}

function clientOf(t: TestContext, port: number, tls?: ChannelTls, timeout = 0): GrpcClient {
  const channel = new GrpcChannel("127.0.0.1", port, tls);
  t.after(() => channel.close());
  return new GrpcClient(channel, { cluster: "test", timeout });
}

async function ask(client: GrpcClient, text: string, method = "Upper"): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  client.unary(`/a.B/${method}`, Buffer.from(text), {
    onResponse: (message) => resolve(message.toString()),
    onFailure: ({ code, message }: GrpcStatus) => resolve(`${code} ${message}`),
  });
  return promise;
}

test("GrpcChannel carries many calls on one connection, and connects anew when it is gone", async (t) => {
  const { server, port } = await start(t);
  const client = clientOf(t, port);
  const texts = Array.from({ length: 50 }, (_, i) => `text ${i}`);
  assert.deepEqual(
    await Promise.all(texts.map((text) => ask(client, text))),
    texts.map((text) => text.toUpperCase()),
  );
  server.close();
  assert.match(await ask(client, "a"), /^14 /);
  await start(t, port);
  assert.equal(await ask(client, "b"), "B");
});

test("GrpcChannel tells that nobody listens, and that nobody answers in time", async (t) => {
  assert.match(await ask(clientOf(t, await freePort()), "a"), /^14 .*ECONNREFUSED/);
  const { port } = await start(t);
  assert.equal(await ask(clientOf(t, port, undefined, 50), "a", "Silent"), "4 no answer within 50 ms");
});

test("GrpcChannel speaks TLS with servers that it trusts", async (t) => {
  const ca = makeCertificate({ name: "ca", ca: true });
  const { cert, key } = makeCertificate({ name: "control", names: ["DNS:control.test"], issuer: ca });
  const { port } = await start(t, 0, { cert, key });
  const trusted = { ca: ca.cert, servername: "control.test" };
  assert.equal(await ask(clientOf(t, port, trusted), "a"), "A");
  assert.match(await ask(clientOf(t, port, { ...trusted, servername: "other.test" }), "a"), /^14 /);
  assert.match(await ask(clientOf(t, port, { servername: "control.test" }), "a"), /^14 /);
  assert.match(await ask(clientOf(t, port), "a"), /^14 /, "plaintext to a TLS port");
});
