import assert from "node:assert/strict";
import { once } from "node:events";
import {
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { after, describe, it } from "node:test";
import { waitUntil } from "../../../testing/wait-until.ts";
import { WorkerHarness } from "../../../testing/worker-harness.ts";

// HTTP/1.1 and HTTP/2 clients, the proxy, and Node's HTTP/2 server.

const LISTENER = `
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
                  routes: [{ match: { prefix: / }, route: { cluster: up } }]
            http_filters:
              - name: router
                typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;
const cluster = (common: string): string => `
name: up
type: STATIC
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    ${common}
    explicit_http_config: { http2_protocol_options: {} }
`;

const harnesses: WorkerHarness[] = [];
const servers: Http2Server[] = [];
const sessions = new Set<ServerHttp2Session>();
after(() => {
  for (const harness of harnesses) harness.close();
  for (const session of sessions) session.destroy();
  for (const server of servers) server.close();
});

type Handle = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

async function start(handle: Handle, common = "", options: ServerOptions = {}) {
  const server = createServer(options);
  servers.push(server);
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    handle(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const harness = new WorkerHarness();
  harnesses.push(harness);
  harness.cluster(cluster(common), [(server.address() as AddressInfo).port]);
  const port = await harness.listen(LISTENER);
  return {
    harness,
    url: `http://127.0.0.1:${port}`,
    stat: (name: string) => harness.stat(`cluster.up.${name}`),
  };
}

const echo: Handle = (stream, headers) => {
  stream.respond({ ":status": 200, "x-path": headers[":path"], "x-authority": headers[":authority"] });
  stream.pipe(stream);
};

/** Status and body of a POST. */
async function post(url: string, body: string): Promise<string> {
  const response = await fetch(url, { method: "POST", body });
  return `${response.status} ${await response.text()}`;
}

describe("H2Pool", () => {
  it("carries many requests at once over one connection", async () => {
    const { url, stat } = await start(echo);
    const asked = Array.from({ length: 20 }, (_, i) => post(`${url}/x`, `b${i}`));
    assert.deepEqual(
      await Promise.all(asked),
      Array.from({ length: 20 }, (_, i) => `200 b${i}`),
    );
    assert.equal(stat("upstream_cx_total"), 1);
    assert.equal(stat("upstream_cx_http2_total"), 1);
    assert.equal(stat("upstream_cx_http1_total"), 0);
    assert.equal(stat("upstream_rq_total"), 20);
    await waitUntil("the end", () => stat("upstream_rq_active") === 0);
    assert.equal(stat("upstream_rq_pending_active"), 0);
  });

  it("passes trailers and long bodies from HTTP/2 to HTTP/2", async () => {
    const { url } = await start((stream) => {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.pipe(stream);
    });
    const session = connect(url);
    const request = session.request({ ":method": "POST", ":path": "/" });
    let length = 0;
    request.on("data", (chunk: Buffer) => (length += chunk.length));
    const trailers = once(request, "trailers");
    request.end(Buffer.alloc(3_000_000, "x"));
    await once(request, "end");
    assert.equal(length, 3_000_000);
    const [fields] = (await trailers) as [IncomingHttpHeaders];
    assert.equal(fields["grpc-status"], "0");
    session.destroy();
  });

  it("opens another connection when a server takes no more streams", async () => {
    const held: ServerHttp2Stream[] = [];
    const settings = { maxConcurrentStreams: 2 };
    const { url, stat } = await start(
      (stream, headers) => {
        if (headers[":path"] === "/hold") held.push(stream);
        else echo(stream, headers);
      },
      "",
      { settings },
    );
    assert.equal(await post(url, "first"), "200 first");
    const waiting = [1, 2, 3].map(() => post(`${url}/hold`, ""));
    await waitUntil("streams", () => held.length === 3);
    assert.equal(stat("upstream_cx_total"), 2);
    for (const stream of held) {
      stream.respond({ ":status": 204 });
      stream.end();
    }
    assert.deepEqual(await Promise.all(waiting), ["204 ", "204 ", "204 "]);
  });

  it("leaves a connection that got a GOAWAY, and lets its streams end", async () => {
    const held: ServerHttp2Stream[] = [];
    const { url, stat } = await start((stream, headers) => {
      if (headers[":path"] === "/hold") held.push(stream);
      else echo(stream, headers);
    });
    const first = post(`${url}/hold`, "");
    await waitUntil("the stream", () => held.length === 1);
    held[0]!.session!.goaway();
    await waitUntil("the GOAWAY", () => stat("upstream_cx_close_notify") === 1);
    assert.equal(await post(url, "second"), "200 second");
    assert.equal(stat("upstream_cx_total"), 2);
    held[0]!.respond({ ":status": 200 });
    held[0]!.end("late");
    assert.equal(await first, "200 late");
    await waitUntil("the end", () => stat("upstream_cx_active") === 1);
  });

  it("answers 503 when the server resets a stream or goes, and counts no active requests", async () => {
    const { url, stat } = await start((stream, headers) => {
      if (headers[":path"] === "/reset") stream.close(2);
      else stream.session!.destroy();
    });
    assert.match(await post(`${url}/reset`, ""), /^503 /);
    assert.equal(stat("upstream_cx_active"), 1);
    assert.match(await post(`${url}/die`, ""), /^503 /);
    await waitUntil("the end", () => stat("upstream_cx_active") === 0);
    assert.equal(stat("upstream_rq_active"), 0);
    assert.equal(stat("upstream_cx_destroy_with_active_rq"), 1);
  });

  it("ends connections after max_requests_per_connection and idle_timeout", async () => {
    const limited = await start(echo, "common_http_protocol_options: { max_requests_per_connection: 1 }");
    assert.equal(await post(limited.url, "a"), "200 a");
    assert.equal(await post(limited.url, "b"), "200 b");
    assert.equal(limited.stat("upstream_cx_total"), 2);
    assert.equal(limited.stat("upstream_cx_max_requests"), 2);
    const idle = await start(echo, "common_http_protocol_options: { idle_timeout: 0.05s }");
    assert.equal(await post(idle.url, "a"), "200 a");
    await waitUntil("the end", () => idle.stat("upstream_cx_idle_timeout") === 1);
    assert.equal(idle.stat("upstream_cx_active"), 0);
  });

  it("answers 503 when nobody listens", async () => {
    const { url, harness, stat } = await start(echo);
    harness.cluster(cluster(""), [1]);
    assert.match(await post(url, ""), /^503 /);
    assert.equal(stat("upstream_cx_connect_fail"), 1);
    assert.equal(stat("upstream_rq_pending_active"), 0);
  });
});
