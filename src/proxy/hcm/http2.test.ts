import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from "node:http";
import { connect, constants, type ClientHttp2Session, type ClientSessionOptions } from "node:http2";
import { get } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { makeCertificate } from "../../testing/certs.ts";
import { TcpClient } from "../../testing/tcp-client.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";
import { DRAIN_ALL } from "../link.ts";

// Node's HTTP/2 client, the connection manager, and an HTTP/1.1 upstream.

function listener(options: string): string {
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
            route_config:
              virtual_hosts:
                - name: all
                  domains: ["*"]
                  routes:
                    - match: { prefix: "/up" }
                      route: { cluster: up }
                    - match: { prefix: "/ok" }
                      direct_response: { status: 200, body: { inline_string: "hello" } }
            http_filters:
              - name: router
                typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
${indent(options)}
`;
}

const harnesses: WorkerHarness[] = [];
const sessions: ClientHttp2Session[] = [];
const servers: Server[] = [];
after(() => {
  for (const session of sessions) session.destroy();
  for (const harness of harnesses) harness.close();
  for (const server of servers) server.close().closeAllConnections();
});

async function start(options = ""): Promise<{ harness: WorkerHarness; port: number }> {
  const harness = new WorkerHarness();
  harnesses.push(harness);
  const server = createServer((request, response) => {
    response.setHeader("x-seen-host", request.headers.host ?? "");
    response.setHeader("x-seen-cookie", request.headers.cookie ?? "");
    if (request.url === "/up/slow") return;
    request.pipe(response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  harness.cluster("name: up\ntype: STATIC", [(server.address() as AddressInfo).port]);
  return { harness, port: await harness.listen(listener(options)) };
}

function open(port: number, options: ClientSessionOptions = {}): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`, options);
  session.on("error", () => {});
  sessions.push(session);
  return session;
}

async function ask(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: Buffer,
): Promise<{ headers: IncomingHttpHeaders & { ":status"?: number }; body: Buffer }> {
  const request = session.request(headers, { endStream: body === undefined });
  let answer: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  request.on("response", (received) => (answer = received));
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (body !== undefined) request.end(body);
  await once(request, "end");
  return { headers: answer, body: Buffer.concat(chunks) };
}

describe("HcmConnection over HTTP/2", () => {
  it("serves many streams of one connection, found out by its preface", async () => {
    const { harness, port } = await start();
    const session = open(port);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        ask(session, { ":method": "POST", ":path": "/up", cookie: "a=b" }, Buffer.from(`body ${i}`)),
      ),
    );
    answers.forEach(({ headers, body }, i) => {
      assert.equal(headers[":status"], 200);
      assert.equal(headers["x-seen-host"], `127.0.0.1:${port}`);
      assert.equal(headers["x-seen-cookie"], "a=b");
      assert.equal(headers["server"], "envoy");
      assert.equal(body.toString(), `body ${i}`);
    });
    assert.equal(harness.stat("http.in.downstream_cx_total"), 1);
    assert.equal(harness.stat("http.in.downstream_cx_http2_total"), 1);
    assert.equal(harness.stat("http.in.downstream_cx_http2_active"), 1);
    assert.equal(harness.stat("http.in.downstream_cx_http1_total"), 0);
    assert.equal(harness.stat("http.in.downstream_rq_http2_total"), 20);
    assert.equal(harness.stat("http.in.downstream_rq_http1_total"), 0);
    session.close();
    await waitUntil("the end", () => harness.stat("http.in.downstream_cx_http2_active") === 0);
  });

  it("takes HTTP/1.1 on the same port, however its first bytes are cut", async () => {
    const { harness, port } = await start();
    const client = await TcpClient.connect(port);
    await client.send("P");
    await client.waitFor((c) => c.quietFor > 20, 200);
    await client.send("OST /ok HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    await client.waitFor((c) => c.received.endsWith("hello"), 1500);
    assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(harness.stat("http.in.downstream_cx_http1_total"), 1);
    client.close();
  });

  it("recognises a preface that comes in pieces", async () => {
    const { harness, port } = await start();
    const client = await TcpClient.connect(port);
    await client.send("PRI * HT");
    await client.waitFor((c) => c.quietFor > 20, 200);
    assert.equal(client.received, "");
    await client.send("TP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    await client.waitFor((c) => c.received.length >= 9, 1500);
    assert.equal(client.received.charCodeAt(3), 4);
    assert.equal(harness.stat("http.in.downstream_cx_http2_total"), 1);
    client.close();
  });

  it("speaks only what codec_type says", async () => {
    const { port } = await start("codec_type: HTTP1");
    const preface = await TcpClient.connect(port);
    await preface.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    await preface.waitFor((c) => c.received !== "", 1500);
    assert.match(preface.received, /^HTTP\/1\.1 \d/);
    preface.close();
    const other = await start("codec_type: HTTP2");
    const plain = await TcpClient.connect(other.port);
    await plain.send("GET /ok HTTP/1.1\r\nhost: a\r\n\r\n");
    await plain.waitFor((c) => c.fate !== "open", 1500);
    assert.notEqual(plain.received.slice(0, 4), "HTTP");
    assert.equal(other.harness.stat("http.in.downstream_cx_protocol_error"), 1);
    plain.close();
  });

  it("answers locally without content-length when there is no body", async () => {
    const { port } = await start();
    const session = open(port);
    const missing = await ask(session, { ":path": "/nope" });
    assert.equal(missing.headers[":status"], 404);
    assert.equal("content-length" in missing.headers, false);
    const ok = await ask(session, { ":path": "/ok" });
    assert.equal(ok.headers["content-length"], "5");
    assert.equal(ok.body.toString(), "hello");
  });

  it("keeps the connection when a response comes before the end of its request", async () => {
    const { port } = await start();
    const session = open(port);
    const request = session.request({ ":method": "POST", ":path": "/ok" }, { endStream: false });
    const [headers] = (await once(request, "response")) as [IncomingHttpHeaders];
    assert.equal(headers[":status" as "age"], 200);
    request.resume();
    await once(request, "close");
    assert.equal((await ask(session, { ":path": "/ok" })).body.toString(), "hello");
  });

  it("holds back one stream and not the others", async () => {
    const { port } = await start();
    const session = open(port, { settings: { initialWindowSize: 65_535 } });
    const body = Buffer.alloc(4_000_000, "x");
    const stalled = session.request({ ":method": "POST", ":path": "/up" });
    stalled.pause();
    stalled.end(body);
    await once(stalled, "response");
    const quick = await ask(session, { ":path": "/ok" });
    assert.equal(quick.body.toString(), "hello");
    let length = 0;
    stalled.on("data", (chunk: Buffer) => (length += chunk.length));
    stalled.resume();
    await once(stalled, "end");
    assert.equal(length, body.length);
  });

  it("counts and logs a stream that its client resets", async () => {
    const path = join(tmpdir(), `weft-http2-${process.pid}.log`);
    after(() => rm(path, { force: true }));
    const { harness, port } = await start(`
access_log:
  - name: file
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
      path: ${path}
      log_format: { text_format_source: { inline_string: "%PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS%\\n" } }
`);
    const session = open(port);
    await ask(session, { ":path": "/ok" });
    const slow = session.request({ ":path": "/up/slow" });
    slow.on("error", () => {});
    await waitUntil("the request", () => harness.stat("cluster.up.upstream_rq_active") === 1);
    slow.close(constants.NGHTTP2_CANCEL);
    await waitUntil("the end", () => harness.stat("http.in.downstream_rq_active") === 0);
    assert.equal(harness.stat("http.in.downstream_rq_rx_reset"), 1);
    assert.equal(harness.stat("http.in.downstream_cx_active"), 1);
    harness.close();
    const text = await waitUntil("the log", () => readFile(path, "utf8").catch(() => undefined));
    assert.equal(text, "HTTP/2 200 -\nHTTP/2 0 DR\n");
  });

  it("applies http2_protocol_options", async () => {
    const { port } = await start(
      "http2_protocol_options: { max_concurrent_streams: 7, initial_stream_window_size: 70000 }",
    );
    const session = open(port);
    const [settings] = (await once(session, "remoteSettings")) as [Record<string, number>];
    assert.equal(settings["maxConcurrentStreams"], 7);
    assert.equal(settings["initialWindowSize"], 70_000);
  });

  it("agrees on h2 by ALPN, and on HTTP/1.1 with who does not offer it", async () => {
    const { cert, key } = makeCertificate({ name: "server" });
    const tls = JSON.stringify({
      name: "tls",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context: {
          alpn_protocols: ["h2", "http/1.1"],
          tls_certificates: [
            { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
          ],
        },
      },
    });
    const { harness } = await start();
    const port = await harness.listen(
      `${listener("").replace("name: l1", "name: l2")}\n    transport_socket: ${tls}\n`,
    );
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    sessions.push(session);
    assert.equal((await ask(session, { ":path": "/ok" })).body.toString(), "hello");
    assert.equal(session.alpnProtocol, "h2");
    assert.equal(harness.stat("http.in.downstream_cx_http2_total"), 1);
    const request = get({ port, host: "127.0.0.1", path: "/ok", rejectUnauthorized: false, agent: false });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    response.resume();
    assert.equal(harness.stat("http.in.downstream_cx_http1_total"), 1);
  });

  const ends: readonly [what: string, options: string, stat: string, drains: boolean][] = [
    ["idle_timeout", "common_http_protocol_options: { idle_timeout: 0.05s }\ndrain_timeout: 0.05s", "downstream_cx_idle_timeout", false],
    ["max_connection_duration", "common_http_protocol_options: { max_connection_duration: 0.05s }\ndrain_timeout: 0.05s", "downstream_cx_max_duration_reached", false],
    ["max_requests_per_connection", "common_http_protocol_options: { max_requests_per_connection: 1 }\ndrain_timeout: 0.05s", "downstream_cx_max_requests_reached", false],
    ["a draining process", "drain_timeout: 0.05s", "downstream_cx_drain_close", true],
  ]; // prettier-ignore
  for (const [what, options, stat, drains] of ends) {
    it(`ends connections by GOAWAY: ${what}`, async () => {
      const { harness, port } = await start(options);
      if (drains) new Int32Array(harness.drainState)[0] = DRAIN_ALL;
      const session = open(port);
      const gone = once(session, "goaway");
      const closed = once(session, "close");
      assert.equal((await ask(session, { ":path": "/ok" })).body.toString(), "hello");
      const [code] = (await gone) as [number];
      assert.equal(code, constants.NGHTTP2_NO_ERROR);
      await closed;
      assert.equal(harness.stat(`http.in.${stat}`), 1);
      await waitUntil("the end", () => harness.stat("http.in.downstream_cx_active") === 0);
    });
  }
});
