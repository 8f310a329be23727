import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { HeaderMap } from "../../../http/header-map.ts";
import type { CodecStream, ResetReason, StreamHandler } from "../../../http/stream.ts";
import type { Cluster, PoolCallbacks, PoolRequest, UpstreamConnectionInfo } from "../../api.ts";
import { FakeClock } from "../../../base/fake-clock.ts";
import { BREAKER_FIELDS } from "../../link.ts";
import { TestClusters } from "../../../testing/test-clusters.ts";
import { waitUntil } from "../../../testing/wait-until.ts";

const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A server that answers each request head with `answer`; returns its port. */
async function serve(answer: string | ((socket: Socket, request: string) => void), ip = "127.0.0.1") {
  const seen: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    seen.push(socket);
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("data", (data) => {
      for (const request of data.toString("latin1").split("\r\n\r\n").slice(0, -1)) {
        if (typeof answer === "string") socket.write(answer);
        else answer(socket, request);
      }
    });
  });
  servers.push(server);
  const where = /^[/\0]/.test(ip) ? { path: ip } : { port: 0, host: ip };
  await new Promise<void>((resolve) => server.listen(where, resolve));
  return { port: (server.address() as AddressInfo).port ?? 0, sockets: seen };
}

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CONTEXT = { headers: undefined, hash: undefined, tried: [], maxReselections: 0 };

/** One request: opened, sent and followed to its end. */
class Call implements PoolCallbacks, StreamHandler {
  result = "";
  connection: UpstreamConnectionInfo | undefined;
  requestsBefore = -1;
  stream: CodecStream | undefined;
  request: PoolRequest | undefined;
  readonly #path: string;

  constructor(cluster: Cluster, path = "/", priority: 0 | 1 = 0) {
    this.#path = path;
    const host = cluster.pick(CONTEXT);
    assert.ok(host);
    this.request = cluster.openStream(host, priority, this);
  }

  onPoolReady(stream: CodecStream, connection: UpstreamConnectionInfo): void {
    this.stream = stream;
    this.connection = connection;
    this.requestsBefore = connection.requests;
    stream.handler = this;
    const headers = HeaderMap.acquire();
    headers.method = "GET";
    headers.path = this.#path;
    headers.authority = "test";
    stream.headers(headers, true);
    headers.release();
  }

  onPoolFailure(reason: string, detail: string): void {
    this.result = `${reason} ${detail}`.trim();
  }

  onInterim(_status: number, headers: HeaderMap): void {
    headers.release();
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    this.result = String(headers.status);
    headers.release();
    if (end) this.result += " end";
  }

  onData(_chunk: Buffer, end: boolean): void {
    if (end) this.result += " end";
  }

  onTrailers(): void {}

  onReset(reason: ResetReason): void {
    this.result += `reset ${reason}`;
  }

  onCodecError(): void {}
  onDrain(): void {}

  async done(): Promise<string> {
    await waitUntil("end of call", () => /end$|reset|connection|overflow/.test(this.result), 2000, 2);
    return this.result;
  }
}

function setup(port: number, init: Parameters<TestClusters["cluster"]>[1] = {}) {
  const test = new TestClusters();
  test.cluster("c", init);
  test.hosts("c", [test.host(port)]);
  return { test, cluster: test.clusters.get("c")! };
}

describe("H1Pool", () => {
  it("reuses a connection and calls back at once when one is ready", async () => {
    const { port } = await serve(OK);
    const { test, cluster } = setup(port);
    assert.equal(await new Call(cluster).done(), "200 end");
    const second = new Call(cluster);
    assert.ok(second.stream);
    assert.equal(second.requestsBefore, 1);
    assert.match(second.connection!.localAddress, /^127\.0\.0\.1:\d+$/);
    assert.equal(await second.done(), "200 end");
    const counts = test.counts("c");
    assert.equal(counts["upstream_cx_total"], 1);
    assert.equal(counts["upstream_cx_http1_total"], 1);
    assert.equal(counts["upstream_cx_active"], 1);
    assert.equal(counts["upstream_rq_total"], 2);
    assert.equal(counts["upstream_rq_active"], undefined);
    assert.equal(counts["upstream_rq_pending_total"], 1);
    assert.equal(counts["upstream_rq_pending_active"], undefined);
    assert.equal(counts["upstream_cx_rx_bytes_total"], 2 * OK.length);
    assert.equal(counts["upstream_cx_tx_bytes_total"], 2 * "GET / HTTP/1.1\r\nhost: test\r\n\r\n".length);
    assert.equal(cluster.pick(CONTEXT)!.activeRequests, 0);
  });

  it("opens one connection per waiting request, serves them in order, and uses the last used one first", async () => {
    const server = await serve(OK);
    const { test, cluster } = setup(server.port);
    const calls = [new Call(cluster, "/1"), new Call(cluster, "/2"), new Call(cluster, "/3")];
    assert.equal(test.counts("c")["upstream_rq_pending_active"], 3);
    for (const call of calls) assert.equal(await call.done(), "200 end");
    assert.equal(test.counts("c")["upstream_cx_total"], 3);
    const again = new Call(cluster);
    await again.done();
    const next = new Call(cluster);
    await next.done();
    assert.equal(next.connection, again.connection);
    assert.equal(test.counts("c")["upstream_cx_total"], 3);
  });

  it("keeps routing priorities apart", async () => {
    const { port } = await serve(OK);
    const { test, cluster } = setup(port);
    await new Call(cluster).done();
    await new Call(cluster, "/", 1).done();
    assert.equal(test.counts("c")["upstream_cx_total"], 2);
  });

  it("connects to IPv6 addresses and unix sockets", async () => {
    const v6 = await serve(OK, "::1");
    const { test } = setup(v6.port);
    test.hosts("c", [test.host(v6.port, { address: `[::1]:${v6.port}`, ip: "::1" })]);
    const call = new Call(test.clusters.get("c")!);
    assert.equal(await call.done(), "200 end");
    assert.match(call.connection!.localAddress, /^\[::1\]:\d+$/);

    const directory = mkdtempSync(join(tmpdir(), "weft-pool-"));
    const path = join(directory, "s");
    await serve(OK, path);
    test.hosts("c", [test.host(0, { address: path, ip: "" })]);
    assert.equal(await new Call(test.clusters.get("c")!).done(), "200 end");
    rmSync(directory, { recursive: true });

    const name = `weft-pool-${process.pid}`;
    await serve(OK, `\0${name}`);
    test.hosts("c", [test.host(0, { address: `@${name}`, ip: "" })]);
    assert.equal(await new Call(test.clusters.get("c")!).done(), "200 end");
  });

  it("says why a connection was refused, and fails all that wait for one", async () => {
    const { port } = await serve(OK);
    servers.pop()!.close();
    await new Promise((resolve) => setImmediate(resolve));
    const { test, cluster } = setup(port);
    const calls = [new Call(cluster), new Call(cluster)];
    for (const call of calls)
      assert.equal(await call.done(), "connection-failure delayed_connect_error:_Connection_refused");
    await waitUntil("second refusal", () => test.counts("c")["upstream_cx_connect_fail"] === 2);
    const counts = test.counts("c");
    assert.equal(counts["upstream_rq_pending_failure_eject"], 2);
    assert.equal(counts["upstream_cx_destroy_remote"], 2);
    assert.equal(counts["upstream_cx_active"], undefined);
    assert.equal(counts["upstream_rq_total"], undefined);
    assert.ok(new Int32Array(test.breakers).every((count) => count === 0));

    test.hosts("c", [test.host(0, { address: "/nonexistent", ip: "" })]);
    assert.equal(
      await new Call(cluster).done(),
      "connection-failure immediate_connect_error:_No_such_file_or_directory|remote_address:/nonexistent",
    );
  });

  it("gives up on a connection after connect_timeout", async () => {
    // Time runs out before the event loop sees the connection.
    const clock = new FakeClock();
    const { port } = await serve(OK);
    const test = new TestClusters({ clock });
    test.cluster("c", { connectTimeout: { seconds: 2n } });
    test.hosts("c", [test.host(port)]);
    const call = new Call(test.clusters.get("c")!);
    clock.advance(1990);
    assert.equal(call.result, "");
    clock.advance(20);
    assert.equal(call.result, "connection-timeout");
    assert.equal(test.counts("c")["upstream_cx_connect_timeout"], 1);
    assert.equal(test.counts("c")["upstream_cx_destroy_local"], 1);
  });

  it("lets requests wait when max_connections is reached, and refuses them at max_pending_requests", async () => {
    const { port } = await serve(OK);
    const thresholds = [{ maxConnections: 1, maxPendingRequests: 2 }];
    const { test, cluster } = setup(port, { circuitBreakers: { thresholds } });
    const calls = [new Call(cluster), new Call(cluster), new Call(cluster)];
    assert.equal(calls[2]!.result, "overflow");
    assert.equal(await calls[0]!.done(), "200 end");
    assert.equal(await calls[1]!.done(), "200 end");
    const counts = test.counts("c");
    assert.equal(counts["upstream_cx_total"], 1);
    assert.equal(counts["upstream_cx_overflow"], 1);
    assert.equal(counts["upstream_rq_pending_overflow"], 1);
    assert.equal(new Int32Array(test.breakers)[BREAKER_FIELDS.connections], 1);
    assert.equal(new Int32Array(test.breakers)[BREAKER_FIELDS.pending], 0);
  });

  it("opens a first connection to a host even over max_connections", async () => {
    const { port } = await serve(OK);
    const { test, cluster } = setup(port, { circuitBreakers: { thresholds: [{ maxConnections: 0 }] } });
    assert.equal(await new Call(cluster).done(), "200 end");
    assert.equal(test.counts("c")["upstream_cx_overflow"], 1);
  });

  it("serves those that wait when the only connection ends with its response", async () => {
    const { port } = await serve((socket) =>
      socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
    );
    const { test, cluster } = setup(port, { circuitBreakers: { thresholds: [{ maxConnections: 1 }] } });
    const calls = [new Call(cluster), new Call(cluster)];
    for (const call of calls) assert.equal(await call.done(), "200 end");
    assert.equal(test.counts("c")["upstream_cx_total"], 2);
    assert.equal(test.counts("c")["upstream_cx_destroy_local"], 2);
    assert.equal(test.counts("c")["upstream_cx_destroy_with_active_rq"], undefined);
  });

  it("takes a cancelled request out of the queue and keeps its connection for others", async () => {
    const { port } = await serve(OK);
    const { test, cluster } = setup(port);
    const call = new Call(cluster);
    call.request!.cancel();
    call.request!.cancel();
    await waitUntil("connection", () => test.counts("c")["upstream_cx_rx_bytes_total"] === undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const next = new Call(cluster);
    assert.equal(await next.done(), "200 end");
    assert.equal(call.result, "");
    assert.equal(test.counts("c")["upstream_cx_total"], 1);
    assert.equal(test.counts("c")["upstream_rq_cancelled"], 1);
  });

  it("removes an idle connection that the peer closed", async () => {
    const server = await serve(OK);
    const { test, cluster } = setup(server.port);
    await new Call(cluster).done();
    server.sockets[0]!.end();
    await waitUntil("removal", () => test.counts("c")["upstream_cx_active"] === undefined, 2000, 2);
    assert.equal(test.counts("c")["upstream_cx_destroy_remote"], 1);
    assert.equal(await new Call(cluster).done(), "200 end");
    assert.equal(test.counts("c")["upstream_cx_total"], 2);
  });

  it("tells a request that its connection was cut", async () => {
    const { port } = await serve((socket) => socket.resetAndDestroy());
    const { test, cluster } = setup(port);
    assert.equal(await new Call(cluster).done(), "reset connection-termination");
    const counts = test.counts("c");
    assert.equal(counts["upstream_cx_destroy_remote_with_active_rq"], 1);
    assert.equal(counts["upstream_rq_active"], undefined);
    assert.equal(cluster.pick(CONTEXT)!.activeRequests, 0);
  });

  it("closes a connection whose request was reset by our side", async () => {
    const server = await serve(() => {});
    const { test, cluster } = setup(server.port);
    const call = new Call(cluster);
    await waitUntil("request", () => call.stream !== undefined && server.sockets.length > 0, 2000, 2);
    call.stream!.reset("local-reset");
    assert.equal(test.counts("c")["upstream_cx_destroy_local_with_active_rq"], 1);
    assert.equal(test.counts("c")["upstream_cx_active"], undefined);
    await waitUntil("end of connection", () => server.sockets[0]!.readableEnded, 2000, 2);
  });

  it("counts garbage as a protocol error", async () => {
    const { port } = await serve("garbage\r\n\r\n");
    const { test, cluster } = setup(port);
    assert.equal(await new Call(cluster).done(), "reset protocol-error");
    assert.equal(test.counts("c")["upstream_cx_protocol_error"], 1);
    assert.equal(test.counts("c")["upstream_cx_destroy_local_with_active_rq"], 1);
  });

  it("closes idle connections after idle_timeout and old ones after max_connection_duration", async () => {
    const { port } = await serve(OK);
    const clock = new FakeClock();
    const test = new TestClusters({ clock });
    test.cluster("c", {
      commonHttpProtocolOptions: { idleTimeout: { seconds: 10n }, maxConnectionDuration: { seconds: 15n } },
    });
    test.hosts("c", [test.host(port)]);
    const cluster = test.clusters.get("c")!;
    await new Call(cluster).done();
    clock.advance(9000);
    await new Call(cluster).done();
    clock.advance(5000);
    assert.equal(test.counts("c")["upstream_cx_active"], 1);
    clock.advance(1100);
    assert.equal(test.counts("c")["upstream_cx_max_duration_reached"], 1);
    assert.equal(test.counts("c")["upstream_cx_active"], undefined);
    await new Call(cluster).done();
    clock.advance(10_100);
    assert.equal(test.counts("c")["upstream_cx_idle_timeout"], 1);
    assert.equal(test.counts("c")["upstream_cx_active"], undefined);
  });

  it("closes a connection after max_requests_per_connection", async () => {
    const { port } = await serve(OK);
    const { test, cluster } = setup(port, { commonHttpProtocolOptions: { maxRequestsPerConnection: 2 } });
    for (let i = 0; i < 3; i++) await new Call(cluster).done();
    assert.equal(test.counts("c")["upstream_cx_total"], 2);
    assert.equal(test.counts("c")["upstream_cx_max_requests"], 1);
    assert.equal(test.counts("c")["upstream_cx_active"], 1);
  });
});
