import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { HeaderMap } from "../../http/header-map.ts";
import type { CodecStream, StreamHandler } from "../../http/stream.ts";
import { create, encode, packNew } from "../../proto/registry.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import type { Cluster, Host, PickContext } from "../api.ts";
import { BREAKER_FIELDS, BREAKER_WORDS, HOST_FIELDS, HOST_WORDS } from "../link.ts";

const CONTEXT: PickContext = { headers: undefined, hash: undefined, tried: [], maxReselections: 0 };
const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function serve(delayMs = 0): Promise<number> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", () => {
      setTimeout(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), delayMs);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** Sends a GET and resolves with the status, or the reason why there is none. */
function request(cluster: Cluster, host: Host = cluster.pick(CONTEXT)!): Promise<string> {
  return new Promise((resolve) => {
    const handler: StreamHandler = {
      onInterim() {},
      onHeaders(headers, end) {
        assert.ok(end);
        resolve(String(headers.status));
        headers.release();
      },
      onData() {},
      onTrailers() {},
      onReset: (reason) => resolve(reason),
      onCodecError() {},
      onDrain() {},
    };
    cluster.openStream(host, 0, {
      onPoolReady(stream: CodecStream) {
        stream.handler = handler;
        const headers = HeaderMap.acquire();
        headers.method = "GET";
        headers.path = "/";
        headers.authority = "test";
        stream.headers(headers, true);
        headers.release();
      },
      onPoolFailure: (reason) => resolve(reason),
    });
  });
}

function picks(cluster: Cluster, count: number): Record<string, number> {
  const found: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const address = cluster.pick(CONTEXT)?.address ?? "none";
    found[address] = (found[address] ?? 0) + 1;
  }
  return found;
}

describe("WorkerClusters.get()", () => {
  it("knows a cluster once its configuration came, whatever came first", () => {
    const test = new TestClusters();
    test.hosts("c", [test.host(1)]);
    assert.equal(test.clusters.get("c"), undefined);
    test.cluster("c");
    const cluster = test.clusters.get("c");
    assert.equal(cluster!.pick(CONTEXT)!.address, "127.0.0.1:1");
    assert.equal(test.clusters.get("c"), cluster);
    test.clusters.apply({ kind: "remove-cluster", name: "c" });
    assert.equal(test.clusters.get("c"), undefined);
  });

  it("makes no stats for clusters that are not asked for", () => {
    const test = new TestClusters();
    test.cluster("c");
    test.stats.flush();
    assert.equal(test.merged.snapshot().counters.size, 0);
    test.clusters.get("c");
    test.stats.flush();
    assert.ok(test.merged.snapshot().counters.has("cluster.c.upstream_rq_total"));
  });

  it("shows what the configuration says", () => {
    const test = new TestClusters();
    test.cluster("c", {
      altStatName: "a:b",
      perConnectionBufferLimitBytes: 5,
      commonHttpProtocolOptions: { maxStreamDuration: { seconds: 2n } },
    });
    const cluster = test.clusters.get("c")!;
    assert.equal(cluster.observabilityName, "a:b");
    assert.equal(cluster.stats.prefix, "cluster.a_b.");
    assert.equal(cluster.bufferLimit, 5);
    assert.equal(cluster.maxStreamDuration, 2000);
    test.cluster("d");
    assert.equal(test.clusters.get("d")!.bufferLimit, 1024 * 1024);
    assert.equal(test.clusters.get("d")!.maxStreamDuration, undefined);
  });
});

describe("WorkerClusters.apply()", () => {
  it("keeps connections to hosts that stay and over changes that do not concern them", async () => {
    const test = new TestClusters();
    const port = await serve();
    test.cluster("c");
    const host = test.host(port);
    test.hosts("c", [host]);
    const cluster = test.clusters.get("c")!;
    assert.equal(await request(cluster), "200");
    test.hosts("c", [{ ...host, weight: 5 }]);
    assert.equal(cluster.pick(CONTEXT)!.weight, 5);
    assert.equal(await request(cluster), "200");
    test.cluster("c", { circuitBreakers: { thresholds: [{ maxRequests: 9 }] }, lbPolicy: 3 });
    assert.equal(await request(cluster), "200");
    assert.equal(test.counts("c")["upstream_cx_total"], 1);
    test.cluster("c", { connectTimeout: { seconds: 1n } });
    assert.equal(test.counts("c")["upstream_cx_active"], undefined);
    assert.equal(await request(cluster), "200");
    assert.equal(test.counts("c")["upstream_cx_total"], 2);
  });

  it("lets requests to a host that goes away finish, then closes", async () => {
    const test = new TestClusters();
    const port = await serve(30);
    test.cluster("c");
    test.hosts("c", [test.host(port)]);
    const cluster = test.clusters.get("c")!;
    const first = request(cluster);
    const states = new Int32Array(test.hostStates);
    await waitUntil("request", () => states[HOST_FIELDS.activeRequests] === 1, 2000, 2);
    const waiting = request(cluster);
    test.hosts("c", []);
    assert.equal(cluster.pick(CONTEXT), undefined);
    assert.equal(await first, "200");
    assert.equal(await waiting, "200");
    await waitUntil("close", () => test.counts("c")["upstream_cx_active"] === undefined, 2000, 2);
    assert.equal(states[HOST_FIELDS.activeRequests], 0);
    assert.equal(states[HOST_FIELDS.activeConnections], 0);
    assert.equal(states[HOST_FIELDS.requestsTotal], 2);
  });
});

describe("Cluster.openStream()", () => {
  it("serves a host that was removed since it was chosen, and keeps nothing open", async () => {
    const test = new TestClusters();
    test.cluster("c");
    test.hosts("c", [test.host(await serve())]);
    const cluster = test.clusters.get("c")!;
    const host = cluster.pick(CONTEXT)!;
    test.hosts("c", []);
    assert.equal(await request(cluster, host), "200");
    await waitUntil("close", () => test.counts("c")["upstream_cx_active"] === undefined, 2000, 2);
    assert.equal(test.counts("c")["upstream_cx_total"], 1);
  });
});

describe("Cluster.pick()", () => {
  it("counts when there is no host", () => {
    const test = new TestClusters();
    test.cluster("c");
    assert.equal(test.clusters.get("c")!.pick(CONTEXT), undefined);
    assert.equal(test.counts("c")["upstream_cx_none_healthy"], 1);
  });

  it("spills 30 % to the next priority when half of the first is healthy", () => {
    let n = 0;
    const test = new TestClusters({ random: () => (n++ % 100) / 100 });
    test.cluster("c");
    test.hosts("c", [test.host(1), test.host(2, { health: "unhealthy" }), test.host(3, { priority: 1 })]);
    n = 0;
    const found = picks(test.clusters.get("c")!, 1000);
    assert.deepEqual(Object.keys(found).sort(), ["127.0.0.1:1", "127.0.0.1:3"]);
    assert.ok(Math.abs(found["127.0.0.1:1"]! - 700) <= 10, JSON.stringify(found));
  });

  it("honours failures that other threads found", () => {
    const test = new TestClusters();
    test.cluster("c");
    const hosts = [test.host(1), test.host(2), test.host(3)];
    new Int32Array(test.hostStates)[HOST_WORDS + HOST_FIELDS.failed] = 2;
    test.hosts("c", hosts);
    assert.deepEqual(Object.keys(picks(test.clusters.get("c")!, 20)).sort(), ["127.0.0.1:1", "127.0.0.1:3"]);
  });

  it("panics over to all hosts, fails, or finds none, as told", () => {
    const test = new TestClusters();
    const hosts = [1, 2].map((port) => test.host(port, { health: "unhealthy" }));
    test.cluster("c");
    test.hosts("c", hosts);
    const cluster = test.clusters.get("c")!;
    assert.deepEqual(picks(cluster, 10), { "127.0.0.1:1": 5, "127.0.0.1:2": 5 });
    assert.equal(test.counts("c")["lb_healthy_panic"], 10);
    test.cluster("c", { commonLbConfig: { healthyPanicThreshold: { value: 0 } } });
    assert.deepEqual(picks(cluster, 2), { none: 2 });
    assert.equal(test.counts("c")["lb_healthy_panic"], 10);
    const zoneAwareLbConfig = { case: "zoneAwareLbConfig" as const, value: { failTrafficOnPanic: true } };
    test.cluster("c", { commonLbConfig: { localityConfigSpecifier: zoneAwareLbConfig } });
    assert.deepEqual(picks(cluster, 2), { none: 2 });
    assert.equal(test.counts("c")["lb_healthy_panic"], 12);
  });

  it("takes degraded hosts when no others are left", () => {
    const test = new TestClusters();
    test.cluster("c");
    const hosts = [
      test.host(1, { health: "unhealthy" }),
      test.host(2, { health: "degraded" }),
      test.host(3, { health: "degraded" }),
    ];
    test.hosts("c", hosts);
    assert.deepEqual(picks(test.clusters.get("c")!, 10), { "127.0.0.1:2": 5, "127.0.0.1:3": 5 });
    test.hosts("c", [test.host(4), hosts[1]!]);
    assert.ok((picks(test.clusters.get("c")!, 300)["127.0.0.1:4"] ?? 0) > 160);
  });

  it("weighs localities when asked to", () => {
    const test = new TestClusters();
    const localityWeightedLbConfig = { case: "localityWeightedLbConfig" as const, value: {} };
    test.cluster("c", { commonLbConfig: { localityConfigSpecifier: localityWeightedLbConfig } });
    const a = [1, 2].map((port) => test.host(port, { zone: "a", localityWeight: 1 }));
    const b = test.host(3, { zone: "b", localityWeight: 3 });
    const c = test.host(4, { zone: "c" });
    test.hosts("c", [...a, b, c]);
    const cluster = test.clusters.get("c")!;
    assert.deepEqual(picks(cluster, 400), { "127.0.0.1:1": 50, "127.0.0.1:2": 50, "127.0.0.1:3": 300 });
    // Half of a locality's hosts carry 70 % of its weight.
    test.hosts("c", [a[0]!, { ...a[1]!, health: "unhealthy" }, b]);
    const found = picks(cluster, 370);
    assert.ok(Math.abs(found["127.0.0.1:1"]! - 70) <= 2, JSON.stringify(found));
  });

  it("picks again while a host was tried already", () => {
    const test = new TestClusters();
    test.cluster("c");
    test.hosts("c", [test.host(1), test.host(2)]);
    const cluster = test.clusters.get("c")!;
    const tried: Host[] = [cluster.pick(CONTEXT)!];
    for (let i = 0; i < 10; i++)
      assert.notEqual(cluster.pick({ ...CONTEXT, tried, maxReselections: 3 }), tried[0]);
    test.hosts("c", [test.host(1)]);
    assert.ok(cluster.pick({ ...CONTEXT, tried: [cluster.pick(CONTEXT)!], maxReselections: 3 }));
  });

  it("takes policies by their field and by their typed configuration", () => {
    const test = new TestClusters();
    test.cluster("c", {
      lbPolicy: 1,
      lbConfig: { case: "leastRequestLbConfig", value: { choiceCount: 50 } },
    });
    const idle = test.host(1);
    const busy = test.host(2);
    new Int32Array(test.hostStates)[busy.slot * HOST_WORDS + HOST_FIELDS.activeRequests] = 3;
    test.hosts("c", [idle, busy]);
    assert.deepEqual(picks(test.clusters.get("c")!, 50), { "127.0.0.1:1": 50 });
    const typedConfig = packNew("envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest", {
      choiceCount: 50,
    });
    const unknown = packNew("envoy.extensions.load_balancing_policies.subset.v3.Subset");
    const policies = [
      { typedExtensionConfig: { name: "subset", typedConfig: unknown } },
      { typedExtensionConfig: { name: "mine", typedConfig } },
    ];
    test.cluster("c", { loadBalancingPolicy: { policies } });
    assert.deepEqual(picks(test.clusters.get("c")!, 50), { "127.0.0.1:1": 50 });
  });
});

describe("Cluster.tryAcquire()", () => {
  it("limits per resource and routing priority over all threads", () => {
    const test = new TestClusters();
    test.cluster("other");
    const thresholds = [
      { maxRequests: 2, maxRetries: 0 },
      { priority: 1, maxRequests: 1 },
    ];
    test.cluster("c", { circuitBreakers: { thresholds } });
    const cluster = test.clusters.get("c")!;
    const counts = new Int32Array(test.breakers);
    assert.equal(cluster.tryAcquire("retries", 0), false);
    for (let i = 0; i < 3; i++) assert.equal(cluster.tryAcquire("retries", 1), true);
    assert.equal(cluster.tryAcquire("retries", 1), false);
    assert.equal(cluster.tryAcquire("requests", 0), true);
    // Another thread's request.
    Atomics.add(counts, BREAKER_WORDS + BREAKER_FIELDS.requests, 1);
    assert.equal(cluster.tryAcquire("requests", 0), false);
    assert.equal(cluster.tryAcquire("requests", 1), true);
    cluster.release("requests", 0);
    assert.equal(cluster.tryAcquire("requests", 0), true);
    assert.equal(test.counts("c")["upstream_rq_active_overflow"], 1);
  });
});

describe("Host", () => {
  it("decodes metadata and counts results", () => {
    const test = new TestClusters();
    const metadata = create("envoy.config.core.v3.Metadata", {
      filterMetadata: { "envoy.lb": { canary: true } },
    });
    test.cluster("c");
    test.hosts("c", [
      test.host(1, { metadata: encode("envoy.config.core.v3.Metadata", metadata), region: "r" }),
    ]);
    const host = test.clusters.get("c")!.pick(CONTEXT)!;
    assert.deepEqual(host.metadata!.filterMetadata["envoy.lb"], { canary: true });
    assert.deepEqual(host.locality, { region: "r", zone: "", subZone: "" });
    host.onStatus!(500);
    assert.equal(new Int32Array(test.hostStates)[HOST_FIELDS.requestErrors], 1);
  });
});
