import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { makeCertificate } from "../testing/certs.ts";
import { ScriptedHttp } from "../testing/scripted-http.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { HttpClient } from "./http-client.ts";

const { signal } = new AbortController();
const call = { signal, timeoutMs: 2000 };

test("HttpClient.call() checks the server's certificate and shows its own", async (t) => {
  const ca = makeCertificate({ name: "ca", ca: true });
  const own = makeCertificate({ name: "server", names: ["IP:127.0.0.1", "DNS:kube"], issuer: ca });
  const client = makeCertificate({ name: "client", issuer: ca });
  const server = createServer(
    { cert: own.cert, key: own.key, ca: ca.cert, requestCert: true, rejectUnauthorized: false },
    (request, response) =>
      response.end((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? "nobody"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = tempDir("http-client");
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const files = { ca: file("ca", ca.cert), cert: file("cert", client.cert), key: file("key", client.key) };
  const none = { ca: "", cert: "", key: "", insecure: false };
  const ask = async (options: Partial<ConstructorParameters<typeof HttpClient>[0]>) => {
    const http = new HttpClient({ url, ...options });
    try {
      return (await http.call("/", call)).body;
    } finally {
      http.close();
    }
  };
  await assert.rejects(ask({ tls: none }), /certificate/);
  assert.equal(await ask({ tls: { ...none, insecure: true } }), "nobody");
  assert.equal(await ask({ tls: { ...files, insecure: false } }), "client");
  assert.equal(
    await ask({ pem: { ca: ca.cert, cert: client.cert, key: client.key, servername: "kube" } }),
    "client",
  );
  await assert.rejects(ask({ pem: { ca: ca.cert, servername: "other" } }), /other/);
  await assert.rejects(ask({ tls: { ...none, ca: join(folder, "absent") } }), /ENOENT/);
});

test("HttpClient.call() bounds answers in size and time, and keeps a path and a user of its address", async (t) => {
  const server = await ScriptedHttp.start(t, () => "x".repeat(100));
  const http = new HttpClient({ url: `${server.url.replace("//", "//us%3Aer:pa@")}/base/` });
  t.after(() => http.close());
  await assert.rejects(
    http.call("/a", { ...call, maxBytes: 99 }),
    /the answer to \/a is longer than 99 bytes/,
  );
  assert.equal(server.asked[0], "GET /base/a");
  assert.equal(server.last?.headers.authorization, `Basic ${btoa("us:er:pa")}`);
  server.answer = () => (_request, response) => void response.write("x");
  await assert.rejects(http.call("/b", { ...call, timeoutMs: 50 }), /no answer to \/b within 50 ms/);
});

test("HttpClient.lines() gives lines across chunks, and ends with an error or the server", async (t) => {
  const server = await ScriptedHttp.start(t, () => (_request, response) => {
    response.write('{"a":"\u00fc');
    setTimeout(() => response.end('"}\n\n{"b":2}\nrest'), 10);
  });
  const http = new HttpClient({ url: server.url });
  t.after(() => http.close());
  const lines: string[] = [];
  for await (const line of http.lines("/", call)) lines.push(line);
  assert.deepEqual(lines, ['{"a":"\u00fc"}', '{"b":2}']);
  server.answer = () => ({ status: 410, body: "gone" });
  await assert.rejects(http.lines("/", call).next(), /HTTP 410: gone/);
  server.answer = () => (_request, response) => response.flushHeaders();
  await assert.rejects(
    http.lines("/w", { ...call, timeoutMs: 30 }).next(),
    /nothing came from \/w for 30 ms/,
  );
  server.answer = () => "y".repeat(2000);
  await assert.rejects(http.lines("/", { ...call, maxBytes: 1000 }).next(), /too long/);
});

test("HttpClient.call() asks again when a kept connection was closed", async (t) => {
  let count = 0;
  const server = await ScriptedHttp.start(t, () => (request, response) => {
    if (++count === 2) request.socket.resetAndDestroy();
    else response.end(String(count));
  });
  const http = new HttpClient({ url: server.url });
  t.after(() => http.close());
  assert.equal((await http.call("/", call)).body, "1");
  assert.equal((await http.call("/", call)).body, "3");
  const fresh = new HttpClient({ url: server.url });
  t.after(() => fresh.close());
  count = 1;
  await assert.rejects(fresh.call("/", call), /ECONNRESET|socket hang up/);
});
