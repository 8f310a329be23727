import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { HeaderMap } from "../../http/header-map.ts";
import type { CodecStream, ResetReason, StreamHandler } from "../../http/stream.ts";
import type { Cluster, PoolCallbacks, PoolRequest, UpstreamConnectionInfo } from "../api.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import { waitUntil } from "../../testing/wait-until.ts";

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
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  return { port: (server.address() as AddressInfo).port, sockets: seen };
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
});
