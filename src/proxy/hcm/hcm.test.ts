import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { TcpClient } from "../../testing/tcp-client.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";
import { DRAIN_ALL } from "../link.ts";

const ROUTES = `
route_config:
  virtual_hosts:
    - name: all
      domains: ["*"]
      routes:
        - match: { prefix: "/ok" }
          direct_response: { status: 200, body: { inline_string: "hello" } }
        - match: { prefix: "/empty" }
          direct_response: { status: 204 }
`;

function listener(options = "", routes = ROUTES): string {
  const indent = (text: string): string => text.trim().replace(/^/gm, "            ");
  return `
name: l1
address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
filter_chains:
  - filters:
      - name: hcm
        typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            stat_prefix: in
${indent(routes)}
            http_filters:
              - name: router
                typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
${indent(options)}
`;
}

const harnesses: WorkerHarness[] = [];
after(() => harnesses.forEach((harness) => harness.close()));

async function start(options = ""): Promise<{ harness: WorkerHarness; port: number }> {
  const harness = new WorkerHarness();
  harnesses.push(harness);
  return { harness, port: await harness.listen(listener(options)) };
}

/** Sends raw bytes and returns what came until the peer closed or nothing came for a while. */
async function exchange(port: number, text: string, quietMs = 60): Promise<{ text: string; fate: string }> {
  const client = await TcpClient.connect(port);
  await client.send(text);
  await client.waitFor((c) => c.fate !== "open" || (c.received !== "" && c.quietFor > quietMs), 1500);
  const result = { text: client.received.replace(/date: [^\r]*/g, "date: D"), fate: client.fate };
  client.close();
  return result;
}

test("a direct response looks like Envoy's", async () => {
  const { harness, port } = await start();
  const { text, fate } = await exchange(port, "GET /ok HTTP/1.1\r\nhost: a\r\n\r\n");
  assert.equal(
    text,
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\ndate: D\r\nserver: envoy\r\n\r\nhello",
  );
  assert.equal(fate, "open");
  assert.equal(harness.stat("http.in.downstream_rq_2xx"), 1);
  assert.equal(harness.stat("http.in.downstream_rq_active"), 0);
  assert.equal(harness.stat("listener.127.0.0.1_0.http.in.downstream_rq_completed"), 1);
});

const replies: readonly [name: string, request: string, expected: string, options?: string][] = [
  ["no route", "GET /nope HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\ndate: D\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n"],
  ["HEAD", "HEAD /ok HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\ndate: D\r\nserver: envoy\r\n\r\n"],
  ["no Host", "GET /ok HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\ndate: D\r\nserver: envoy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"],
  ["OPTIONS *", "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\ndate: D\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n"],
  ["garbage", "GARBAGE\r\n\r\n", "HTTP/1.1 400 Bad Request\r\ncontent-length: 11\r\ncontent-type: text/plain\r\ndate: D\r\nserver: envoy\r\nconnection: close\r\n\r\nBad Request"],
  ["fragment", "GET /ok#x HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 400 Bad Request\r\ndate: D\r\nserver: envoy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"],
  ["upgrade", "GET /ok HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", "HTTP/1.1 403 Forbidden\r\ndate: D\r\nserver: envoy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"],
  ["gRPC", "POST /nope HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 12\r\ndate: D\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n"],
  ["via and server name", "GET /empty HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 204 No Content\r\ndate: D\r\nserver: weft\r\nvia: me\r\n\r\n", "via: me\nserver_name: weft"],
  ["escaped slash", "GET /ok%2Fx HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 307 Temporary Redirect\r\nlocation: /ok/x\r\ndate: D\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n", "path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT"],
  ["HTTP/1.0 off", "GET /ok HTTP/1.0\r\nhost: a\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 16\r\ncontent-type: text/plain\r\ndate: D\r\nserver: envoy\r\nconnection: close\r\n\r\nUpgrade Required"],
]; // prettier-ignore
for (const [name, request, expected, options] of replies) {
  test(`local reply: ${name}`, async () => {
    const { port } = await start(options);
    const { text, fate } = await exchange(port, request);
    assert.equal(text, expected);
    assert.equal(fate, expected.includes("connection: close") ? "eof" : "open");
  });
}

test("pipelined requests are answered in order, up to max_requests_per_connection", async () => {
  const { harness, port } = await start("common_http_protocol_options: { max_requests_per_connection: 2 }");
  const request = "GET /ok HTTP/1.1\r\nhost: a\r\n\r\n";
  const { text, fate } = await exchange(port, request + request + request);
  assert.equal(text.match(/hello/g)?.length, 2);
  assert.equal(text.match(/connection: close/g)?.length, 1);
  assert.equal(fate, "eof");
  assert.equal(harness.stat("http.in.downstream_cx_max_requests_reached"), 1);
});

test("request_timeout answers 408 and closes", async () => {
  const { harness, port } = await start("request_timeout: 0.05s");
  const { text, fate } = await exchange(port, "POST /nope HTTP/1.1\r\nhost: a\r\ncontent-le", 200);
  assert.match(text, /^HTTP\/1\.1 408 Request Timeout\r\n[^]*connection: close\r\n\r\nrequest timeout$/);
  assert.equal(fate, "eof");
  assert.equal(harness.stat("http.in.downstream_rq_timeout"), 1);
});

test("stream_idle_timeout of an unfinished head answers 408", async () => {
  const { harness, port } = await start("stream_idle_timeout: 0.05s");
  const { text } = await exchange(port, "GET /ok HT", 200);
  assert.match(text, /^HTTP\/1\.1 408 Request Timeout\r\n[^]*stream timeout$/);
  assert.equal(harness.stat("http.in.downstream_rq_idle_timeout"), 1);
});

test("idle_timeout closes idle connections", async () => {
  const { harness, port } = await start("common_http_protocol_options: { idle_timeout: 0.05s }");
  const { fate } = await exchange(port, "GET /ok HTTP/1.1\r\nhost: a\r\n\r\n", 500);
  assert.equal(fate, "eof");
  assert.equal(harness.stat("http.in.downstream_cx_idle_timeout"), 1);
});

test("a draining process answers with connection: close", async () => {
  const { harness, port } = await start();
  new Int32Array(harness.drainState)[0] = DRAIN_ALL;
  const { text, fate } = await exchange(port, "GET /ok HTTP/1.1\r\nhost: a\r\n\r\n");
  assert.match(text, /connection: close\r\n\r\nhello$/);
  assert.equal(fate, "eof");
});

test("local_reply_config changes status, headers and body", async () => {
  const { port } = await start(`
local_reply_config:
  mappers:
    - filter: { status_code_filter: { comparison: { op: EQ, value: { default_value: 404, runtime_key: k } } } }
      status_code: 410
      headers_to_add: [{ header: { key: X-Why, value: "%RESPONSE_FLAGS%" } }]
  body_format: { json_format: { s: "%RESPONSE_CODE%", b: "%LOCAL_REPLY_BODY%", p: "%REQ(:path)%" } }
`);
  const { text } = await exchange(port, "GET /nope HTTP/1.1\r\nhost: a\r\n\r\n");
  const body = '{"b":"","p":"/nope","s":410}\n';
  assert.equal(
    text,
    `HTTP/1.1 410 Gone\r\nx-why: NR\r\ncontent-length: ${body.length}\r\ncontent-type: application/json\r\ndate: D\r\nserver: envoy\r\n\r\n${body}`,
  );
});

test("access logs are written, filtered and flushed", async () => {
  const path = join(tmpdir(), `weft-access-${process.pid}.log`);
  after(() => rm(path, { force: true }));
  const { harness, port } = await start(`
access_log:
  - name: file
    filter: { response_flag_filter: { flags: [NR] } }
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
      path: ${path}
      log_format: { text_format_source: { inline_string: "%RESPONSE_CODE% %REQ(:PATH)% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n" } }
`);
  await exchange(port, "GET /ok HTTP/1.1\r\nhost: a\r\n\r\nGET /nope HTTP/1.1\r\nhost: a\r\n\r\n");
  harness.close();
  const line = await waitUntil("the log line", () => readFile(path, "utf8").catch(() => undefined));
  assert.equal(line, "404 /nope NR route_not_found\n");
});

test("a client that goes away in the middle of a request is no error", async () => {
  const { harness, port } = await start();
  const client = await TcpClient.connect(port);
  await client.send("POST /nope HTTP/1.1\r\nhost: a\r\ncontent-le");
  await waitUntil("the request", () => harness.stat("http.in.downstream_rq_active") === 1);
  client.reset();
  await waitUntil("the end", () => harness.stat("http.in.downstream_rq_active") === 0);
  assert.equal(harness.stat("http.in.downstream_rq_rx_reset"), 1);
  await waitUntil(
    "the connection",
    () => harness.stat("http.in.downstream_cx_destroy_remote_active_rq") === 1,
  );
});
