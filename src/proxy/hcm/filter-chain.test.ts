import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, test } from "node:test";
import { extensions } from "../../extensions/index.ts";
import { ScriptedUpstream } from "../../testing/scripted-upstream.ts";
import { TcpClient } from "../../testing/tcp-client.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";
import type { FilterStream, HttpFilter, HttpFilterDef, Verdict } from "../api.ts";

const closers: (() => unknown)[] = [];
after(() => Promise.all(closers.map((close) => close())));

/** A filter made for one test, configured by an empty Buffer message. */
function testFilter(create: (stream: FilterStream) => HttpFilter): HttpFilterDef {
  return {
    name: "test",
    config: "envoy.extensions.filters.http.buffer.v3.Buffer",
    ledger: {},
    create: () => create,
  };
}

interface Mesh {
  readonly harness: WorkerHarness;
  readonly upstream: ScriptedUpstream;
  readonly port: number;
}

async function start(create: (stream: FilterStream) => HttpFilter, options = ""): Promise<Mesh> {
  const reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nup";
  const upstream = await ScriptedUpstream.start([[{ expect: "request" }, { send: reply }, { repeat: true }]]);
  const harness = new WorkerHarness({ extensions: { ...extensions, http: [testFilter(create)] } });
  closers.push(
    () => upstream.close(),
    () => harness.close(),
  );
  harness.cluster("name: up\nconnect_timeout: 1s", [upstream.port]);
  const port = await harness.listen(`
name: l1
address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
per_connection_buffer_limit_bytes: 4096
filter_chains:
  - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config:
            virtual_hosts: [{ name: v, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: up } }] }]
          http_filters:
            - name: test
              typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer }
            - name: router
              typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
          ${options}
`);
  return { harness, upstream, port };
}

async function ask(port: number, text: string): Promise<string> {
  const client = await TcpClient.connect(port);
  await client.send(text);
  await client.waitFor((c) => c.fate !== "open" || (c.received !== "" && c.quietFor > 40), 1500);
  client.close();
  return client.received;
}

const POST = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n0123456789";

test("a promise holds the request back, body and all, until it settles", async () => {
  const seen: string[] = [];
  const { port, upstream } = await start(() => ({
    async onRequestHeaders(headers): Promise<Verdict> {
      await sleep(30);
      headers.set("x-late", "1");
      return "continue";
    },
    onRequestData(chunk, end) {
      seen.push(chunk.toString() + (end ? "!" : ""));
      return "continue";
    },
  }));
  assert.match(await ask(port, POST), /^HTTP\/1\.1 200 OK/);
  assert.match(upstream.connections[0]!.received, /x-late: 1\r\n[^]*\r\n\r\n0123456789$/);
  assert.deepEqual(seen, ["0123456789!"]);
});

test("a promise that fails is answered with 500 and logged with the filter's name", async () => {
  const { port, harness, upstream } = await start(() => ({
    onRequestHeaders: () => Promise.reject(new Error("broken rule")),
  }));
  assert.match(await ask(port, POST), /^HTTP\/1\.1 500 Internal Server Error\r\n/);
  assert.match(harness.logs.join(), /\[error\]\[http\] Filter "test" failed[^]*broken rule/);
  assert.equal(upstream.connections.length, 0);
});

test("a hook that throws is answered with 500", async () => {
  const { port, harness } = await start(() => ({
    onRequestHeaders() {
      throw new Error("thrown rule");
    },
  }));
  assert.match(await ask(port, POST), /^HTTP\/1\.1 500 /);
  assert.match(harness.logs.join(), /thrown rule/);
});

test("a filter that stops sees the body as it comes and may change it as a whole", async () => {
  const { port, upstream } = await start((stream) => ({
    onRequestHeaders: () => "stop",
    onRequestData(chunk, end) {
      if (!end) return "stop";
      stream.requestHeaders.set("x-length", String(stream.bufferedRequestBody().length + chunk.length));
      return "continue";
    },
  }));
  const client = await TcpClient.connect(port);
  await client.send(POST.slice(0, -5));
  await sleep(20);
  await client.send(POST.slice(-5));
  await waitUntil("the answer", () => client.received !== "");
  client.close();
  assert.match(upstream.connections[0]!.received, /x-length: 10\r\n[^]*\r\n\r\n0123456789$/);
});

test("a body over the limit is answered with 413 while a filter stops it", async () => {
  const { port, harness } = await start(() => ({ onRequestHeaders: () => "stop" }));
  const body = "x".repeat(9000);
  const reply = await ask(
    port,
    `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  assert.match(reply, /^HTTP\/1\.1 413 Payload Too Large\r\n[^]*connection: close\r\n\r\nPayload Too Large$/);
  assert.equal(harness.stat("http.in.downstream_rq_too_large"), 1);
});

test("watermark pauses the client instead, and everything arrives in the end", async () => {
  let release: (() => void) | undefined;
  const { port, harness, upstream } = await start((stream) => ({
    onRequestHeaders() {
      release = () => stream.continueRequest();
      return "watermark";
    },
  }));
  const body = "x".repeat(200_000);
  const client = await TcpClient.connect(port);
  void client.send(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  await waitUntil(
    "the pause",
    () => harness.stat("http.in.downstream_flow_control_paused_reading_total") > 0,
  );
  release!();
  await waitUntil("the answer", () => client.received !== "");
  client.close();
  assert.equal(upstream.connections[0]!.received.split("\r\n\r\n")[1]!.length, body.length);
});

test("response hooks run backwards and may hold a response", async () => {
  const { port } = await start((stream) => ({
    onResponseHeaders(headers) {
      headers.set("x-seen", "1");
      setTimeout(() => stream.continueResponse(), 20);
      return "stop";
    },
    onResponseData: () => "stop",
  }));
  assert.match(await ask(port, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), /x-seen: 1\r\n[^]*up$/);
});

test("a filter is told when its stream ends, also when the client leaves", async () => {
  const ends: string[] = [];
  const { port } = await start(() => ({
    onRequestHeaders: () => "stop",
    onComplete: (info) => void ends.push(info.responseCodeDetails),
    onDestroy: () => void ends.push("destroyed"),
  }));
  const client = await TcpClient.connect(port);
  await client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await sleep(20);
  client.close();
  await waitUntil("the end", () => ends.length === 2);
  assert.deepEqual(ends, ["downstream_remote_disconnect", "destroyed"]);
});
