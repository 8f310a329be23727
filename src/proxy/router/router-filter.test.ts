import assert from "node:assert/strict";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { TcpClient } from "../../testing/tcp-client.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { WorkerHarness } from "../../testing/worker-harness.ts";

const harnesses: WorkerHarness[] = [];
const servers: Server[] = [];
const open: Socket[] = [];
after(() => {
  for (const harness of harnesses) harness.close();
  for (const socket of open) socket.destroy();
  for (const server of servers) server.close();
});

/** Starts a connection manager whose routes are `routes` (YAML list) over cluster "c" on these ports. */
async function start(
  routes: string,
  ports: readonly number[],
  cluster = "",
  router = "",
): Promise<{ harness: WorkerHarness; port: number }> {
  const harness = new WorkerHarness();
  harnesses.push(harness);
  harness.cluster(`{ name: c, connect_timeout: 1s ${cluster} }`, ports);
  const port = await harness.listen(`
name: l
address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
per_connection_buffer_limit_bytes: 65536
filter_chains:
  - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          use_remote_address: true
          internal_address_config: { cidr_ranges: [{ address_prefix: 127.0.0.0, prefix_len: 8 }] }
          route_config: { name: r, virtual_hosts: [{ name: v, domains: ["*"], routes: ${routes} }] }
          http_filters:
            - name: router
              typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router ${router} }
`);
  return { harness, port };
}

interface Upstream {
  readonly port: number;
  readonly sockets: Socket[];
  /** All bytes received, as latin1 text. */
  text(): string;
}

/** A server that hands each connection's bytes to `onData`. */
async function upstream(
  onData: (socket: Socket, text: string, connection: number) => void,
): Promise<Upstream> {
  const sockets: Socket[] = [];
  const chunks: string[] = [];
  const server = createServer((socket) => {
    const connection = sockets.push(socket) - 1;
    open.push(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => {
      const text = data.toString("latin1");
      chunks.push(text);
      onData(socket, text, connection);
    });
  });
  servers.push(server);
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, sockets, text: () => chunks.join("") };
}

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BAD = "HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nbad";

async function get(port: number, head = "GET / HTTP/1.1\r\nhost: h\r\n\r\n"): Promise<string> {
  const client = await TcpClient.connect(port);
  await client.send(head);
  await client.waitFor((c) => c.fate !== "open" || (c.received !== "" && c.quietFor > 30), 2000);
  client.close();
  return client.received;
}

describe("routerFilter", () => {
  it("sends a body that came before the connection stood, and keeps it for the retry", async () => {
    const up = await upstream((socket, _text, connection) => socket.write(connection === 0 ? BAD : OK));
    const { harness, port } = await start(
      `[{ match: { prefix: / }, route: { cluster: c, retry_policy: { retry_on: 5xx, retry_back_off: { base_interval: 0.001s } } } }]`,
      [up.port],
      ", max_requests_per_connection: 1",
    );
    const answer = await get(port, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello");
    assert.match(answer, /^HTTP\/1.1 200 OK/);
    assert.equal(up.text().split("\r\n\r\nhello").length, 3);
    harness.runtime.factory.stats.flush();
    assert.equal(harness.stat("cluster.c.upstream_rq_retry"), 1);
    assert.equal(harness.stat("cluster.c.upstream_rq_retry_success"), 1);
    assert.equal(harness.stat("cluster.c.retry.upstream_rq_503"), 1);
    assert.equal(harness.stat("cluster.c.upstream_rq_200"), 1);
    assert.equal(harness.stat("cluster.c.upstream_rq_503"), 0);
  });

  it("gives up retries when the body outgrows the limit", async () => {
    const up = await upstream((socket, text) => {
      if (text.endsWith("z")) socket.write(BAD);
    });
    const { harness, port } = await start(
      `[{ match: { prefix: / }, per_request_buffer_limit_bytes: 100, route: { cluster: c, retry_policy: { retry_on: 5xx } } }]`,
      [up.port],
    );
    const body = "x".repeat(200) + "z";
    const answer = await get(
      port,
      `POST / HTTP/1.1\r\nhost: h\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    assert.match(answer, /^HTTP\/1.1 503/);
    harness.runtime.factory.stats.flush();
    assert.equal(harness.stat("cluster.c.retry_or_shadow_abandoned"), 1);
    assert.equal(harness.stat("cluster.c.upstream_rq_retry"), 0);
  });

  it("tries another host after a refused connection", async () => {
    const up = await upstream((socket) => socket.write(OK));
    const closed = await upstream(() => {});
    await new Promise((resolve) => servers.at(-1)!.close(resolve));
    const { port } = await start(
      `[{ match: { prefix: / }, route: { cluster: c, retry_policy: { retry_on: connect-failure, num_retries: 1, retry_back_off: { base_interval: 0.001s }, host_selection_retry_max_attempts: 9, retry_host_predicate: [{ name: envoy.retry_host_predicates.previous_hosts, typed_config: { "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate } }] } } }]`,
      [closed.port, up.port],
    );
    for (let i = 0; i < 4; i++) assert.match(await get(port), /^HTTP\/1.1 200 OK/);
  });

  it("passes an early response on and gives the unfinished request up", async () => {
    const up = await upstream((socket) => socket.write("HTTP/1.1 413 Too\r\ncontent-length: 0\r\n\r\n"));
    const { port } = await start(`[{ match: { prefix: / }, route: { cluster: c } }]`, [up.port]);
    const answer = await get(port, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhello");
    assert.match(answer, /^HTTP\/1.1 413/);
    assert.doesNotMatch(answer, /x-envoy-upstream-service-time/);
    await waitUntil("connection is given up", () => up.sockets[0]!.destroyed, 1000, 5);
  });

  it("ends the upstream's stream when the client leaves", async () => {
    const up = await upstream(() => {});
    const { harness, port } = await start(`[{ match: { prefix: / }, route: { cluster: c } }]`, [up.port]);
    const client = await TcpClient.connect(port);
    await client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    await waitUntil("request arrives", () => up.text() !== "", 1000, 2);
    client.close();
    await waitUntil("connection is given up", () => up.sockets[0]!.destroyed, 1000, 5);
    harness.runtime.factory.stats.flush();
    assert.equal(harness.stat("cluster.c.upstream_rq_active"), 0);
  });

  it("answers 504 when the route's time is up, with the status of the alternative if asked", async () => {
    const up = await upstream(() => {});
    const { harness, port } = await start(
      `[{ match: { prefix: / }, route: { cluster: c, timeout: 0.03s } }]`,
      [up.port],
    );
    assert.match(await get(port), /^HTTP\/1.1 504 .*upstream request timeout$/s);
    const head = "GET / HTTP/1.1\r\nhost: h\r\nx-envoy-upstream-rq-timeout-alt-response: 1\r\n\r\n";
    assert.match(await get(port, head), /^HTTP\/1.1 204 /);
    harness.runtime.factory.stats.flush();
    assert.equal(harness.stat("cluster.c.upstream_rq_timeout"), 2);
    assert.equal(harness.stat("cluster.c.upstream_rq_504"), 1);
  });

  it("tries again when a try takes too long", async () => {
    const up = await upstream((socket, _text, connection) => void (connection > 0 && socket.write(OK)));
    const { harness, port } = await start(
      `[{ match: { prefix: / }, route: { cluster: c, retry_policy: { retry_on: 5xx, per_try_timeout: 0.03s, retry_back_off: { base_interval: 0.001s } } } }]`,
      [up.port],
    );
    assert.match(await get(port), /^HTTP\/1.1 200/);
    harness.runtime.factory.stats.flush();
    assert.equal(harness.stat("cluster.c.upstream_rq_per_try_timeout"), 1);
  });

  it("cuts the response that its upstream cuts", async () => {
    const up = await upstream((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"));
    const { port } = await start(`[{ match: { prefix: / }, route: { cluster: c } }]`, [up.port]);
    const answer = await get(port);
    assert.match(answer, /^HTTP\/1.1 200/);
    assert.match(answer, /half$/);
  });

  it("stops reading a client whose upstream does not read", async () => {
    const up = await upstream(() => {});
    const { harness, port } = await start(`[{ match: { prefix: / }, route: { cluster: c } }]`, [up.port]);
    const client = await TcpClient.connect(port);
    await client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 64000000\r\n\r\n");
    await waitUntil("request arrives", () => up.text() !== "", 1000, 2);
    up.sockets[0]!.pause();
    const chunk = "x".repeat(1 << 20);
    for (let i = 0; i < 40; i++) void client.send(chunk);
    const seen = () => {
      harness.runtime.factory.stats.flush();
      return harness.stat("cluster.c.upstream_flow_control_backed_up_total");
    };
    await waitUntil("the upstream is backed up", () => seen() > 0, 2000, 5);
    const before = up.text().length;
    up.sockets[0]!.resume();
    await waitUntil("the body flows again", () => up.text().length > before + (8 << 20), 3000, 5);
    client.close();
  });

  it("stops reading an upstream whose client does not read", async () => {
    let written = 0;
    const body = Buffer.alloc(1 << 20, "y");
    const up = await upstream((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n");
      const push = (): void => {
        while (written < 64) {
          written++;
          if (!socket.write(body)) return void socket.once("drain", push);
        }
      };
      push();
    });
    const { harness, port } = await start(`[{ match: { prefix: / }, route: { cluster: c } }]`, [up.port]);
    const client = connect(port, "127.0.0.1");
    open.push(client);
    client.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    const paused = () => {
      harness.runtime.factory.stats.flush();
      return harness.stat("cluster.c.upstream_flow_control_paused_reading_total");
    };
    await waitUntil("the upstream is paused", () => paused() > 0, 3000, 5);
    assert.ok(written < 64);
    let received = 0;
    client.on("data", (data) => (received += data.length));
    await waitUntil("all has come", () => received > 67108864, 5000, 5);
  });

  it("counts requests of several tries against the breakers and gives the places back", async () => {
    const up = await upstream((socket) => socket.write(BAD));
    const { harness, port } = await start(
      `[{ match: { prefix: / }, route: { cluster: c, retry_policy: { retry_on: 5xx, num_retries: 5, retry_back_off: { base_interval: 0.001s } } } }]`,
      [up.port],
      ", circuit_breakers: { thresholds: [{ max_requests: 1, max_retries: 1 }] }",
    );
    for (let i = 0; i < 3; i++) assert.match(await get(port), /^HTTP\/1.1 503 .*bad$/s);
    harness.runtime.factory.stats.flush();
    assert.equal(harness.stat("cluster.c.upstream_rq_retry"), 15);
    assert.equal(harness.stat("cluster.c.upstream_rq_retry_limit_exceeded"), 3);
    assert.equal(harness.stat("cluster.c.upstream_rq_retry_overflow"), 0);
    assert.equal(harness.stat("cluster.c.upstream_rq_active_overflow"), 0);
  });
});
