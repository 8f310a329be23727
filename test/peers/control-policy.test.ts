import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import { connect, createServer as createTcpServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { TLSSocket } from "node:tls";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import { loadParts } from "../../src/proxy/main/parts.ts";
import { makeCertificate } from "../../src/testing/certs.ts";
import { peerTest } from "../../src/testing/peers.ts";
import type { ProxyKind } from "../../src/testing/start-proxy.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh, startAnswering } from "./control-mesh.ts";
import { ask, Named } from "./named-server.ts";

// What a policy says, done by real Envoy and by Weft.

const listen = "127.0.0.1:0";
const { ledgers } = await loadParts();

/** Files of a certificate authority and a certificate by it. */
function certificateFiles(folder: string): { caFile: string; certFile: string; keyFile: string } {
  const ca = makeCertificate({ name: "Test CA", ca: true });
  const leaf = makeCertificate({
    name: "leaf",
    names: ["DNS:users.test", "URI:spiffe://mesh/users"],
    issuer: ca,
  });
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  return {
    caFile: write("ca.pem", ca.cert),
    certFile: write("leaf.pem", leaf.cert),
    keyFile: write("leaf-key.pem", leaf.key),
  };
}

async function startEdge(context: TestContext, kind: ProxyKind, mesh: ControlMesh): Promise<number> {
  const { xdsPort } = await mesh.start({ weft: ledgers });
  const node = { control: `127.0.0.1:${xdsPort}`, nodeId: "edge-1", cluster: "edge", adminPort: 0 };
  const proxy = await mesh.proxy(kind, proxyBootstrap(node));
  await mesh.synced("edge-1");
  context.diagnostic(
    `left out: ${mesh.log.filter((line) => line.includes("does not implement")).join("; ") || "nothing"}`,
  );
  return proxy.ports.get("edge")!;
}

for (const kind of ["envoy", "weft"] as const) {
  peerTest(`${kind} routes by version, header, cookie, query, method and path`, [kind], async (context) => {
    const mesh = new ControlMesh(context);
    const [one, two, three] = await Promise.all(["v1", "v2", "v3"].map((name) => Named.start(context, name)));
    const versions = [one!, two!, three!].map(({ port }, i) => ({ port, version: `v${i + 1}` }));
    mesh.writeServices({ users: versions, again: versions });
    mesh.writePolicy({
      edge: {
        listen,
        routes: [
          { prefix: "/three", service: "users", version: "v3", rewrite_prefix: "/" },
          { prefix: "/u", service: "users", rewrite_prefix: "/" },
          { prefix: "/again", service: "again" },
        ],
      },
      services: {
        again: { split: { v1: 1 }, routes: [{ regex: "(/again)?/[0-9]+", version: "v3" }] },
        users: {
          split: { v1: 80, v2: 20 },
          request_headers: { set: { "x-from": "mesh" }, remove: ["x-secret"] },
          response_headers: { add: { "x-mesh": "yes" } },
          routes: [
            { headers: { "x-user": { prefix: "beta-" } }, version: "v2" },
            { cookies: { group: "beta" }, version: "v2" },
            { cookies: { group: { regex: "[xy]z?" } }, version: "v3" },
            { query: { v: { exact: "3" } }, version: "v3" },
            { methods: ["PUT", "DELETE"], version: "v3" },
            { prefix: "/new", version: "v3" },
            { path: "/exact", version: "v2" },
          ],
        },
      },
    });
    const port = await startEdge(context, kind, mesh);
    const cases: [string, string, Record<string, string>?, string?][] = [
      ["v2", "/u", { "x-user": "beta-7" }],
      ["v2", "/u/a", { cookie: "a=b; group=beta; c=d" }],
      ["v2", "/u/a", { cookie: "group=beta" }],
      ["v3", "/u/a", { cookie: "a=b;group=xz" }],
      ["v3", "/u?a=1&v=3"],
      ["v3", "/u/a", {}, "DELETE"],
      ["v3", "/u/new/a"],
      ["v2", "/u/exact"],
      ["v3", "/three/exact"],
      ["v3", "/again/12?x=/y"],
      ["v1", "/again/x"],
    ];
    for (const [expected, path, headers, method] of cases)
      assert.equal((await ask(port, path, headers, method)).body, expected, `${method ?? "GET"} ${path}`);
    const last = (named: Named | undefined) => named!.asked.at(-1)!;
    await ask(port, "/u/new/a?b");
    assert.equal(last(three).path, "/new/a?b");
    await ask(port, "/three/x", { "x-secret": "s" });
    assert.equal(last(three).path, "/x");
    assert.equal(last(three).headers["x-from"], "mesh");
    assert.equal(last(three).headers["x-secret"], undefined);
    assert.equal((await ask(port, "/u")).headers["x-mesh"], "yes");
    assert.equal((await ask(port, "/nothing")).status, 404);

    const counts = new Map<string, number>();
    for (let i = 0; i < 1000; i++) {
      const { body } = await ask(port, "/u/plain", { cookie: "group=other; xgroup=beta" });
      counts.set(body, (counts.get(body) ?? 0) + 1);
    }
    // 200 of 1000 have a standard deviation of 12.6; this is 8 of them.
    assert.ok(Math.abs(counts.get("v2")! - 200) < 100, `${counts.get("v2")} of 1000 to v2`);
    assert.equal(counts.get("v1")! + counts.get("v2")!, 1000);

    // A split that changes takes no request with it.
    mesh.writePolicy({
      edge: { listen, routes: [{ prefix: "/u", service: "users" }] },
      services: { users: { split: { v1: 0, v2: 1 } } },
    });
    await waitUntil("only v2 is left", async () => {
      const bodies = new Set<string>();
      for (let i = 0; i < 20; i++) bodies.add((await ask(port, "/u")).body);
      return bodies.size === 1 && bodies.has("v2");
    });
  });

  peerTest(`${kind} delays, aborts, limits and mirrors`, [kind], async (context) => {
    const mesh = new ControlMesh(context);
    const [users, shadow] = await Promise.all(["users", "shadow"].map((name) => Named.start(context, name)));
    mesh.writeServices({ users: [users!.port], shadow: [shadow!.port] });
    mesh.writePolicy({
      edge: {
        listen,
        routes: [
          { prefix: "/abort", service: "users", fault: { abort_status: 418 } },
          { prefix: "/half", service: "users", fault: { abort_status: 418, abort_percent: 50 } },
          { prefix: "/slow", service: "users", fault: { delay_ms: 300 } },
          { prefix: "/few", service: "users", rate_limit: { requests: 3, per_ms: 3_600_000 } },
          { prefix: "/copied", service: "users", mirror: { service: "shadow" } },
          { prefix: "/", service: "users" },
        ],
      },
    });
    const port = await startEdge(context, kind, mesh);
    assert.deepEqual(await ask(port, "/abort").then(({ status, body }) => [status, body]), [
      418,
      "fault filter abort",
    ]);
    assert.equal((await ask(port, "/")).status, 200);
    let aborted = 0;
    for (let i = 0; i < 200; i++) if ((await ask(port, "/half")).status === 418) aborted++;
    assert.ok(aborted > 40 && aborted < 160, `${aborted} of 200 aborted`);
    const begun = performance.now();
    assert.equal((await ask(port, "/slow")).status, 200);
    assert.ok(performance.now() - begun >= 295, "it took as long as it was told to");
    const limited: number[] = [];
    for (let i = 0; i < 5; i++) limited.push((await ask(port, "/few")).status);
    assert.deepEqual(limited, [200, 200, 200, 429, 429]);
    assert.equal((await ask(port, "/copied/1")).body, "users");
    await waitUntil("the copy arrives", () => shadow!.asked.some(({ path }) => path === "/copied/1"));
  });

  peerTest(`${kind} leaves out instances that fail, and takes them back`, [kind], async (context) => {
    const mesh = new ControlMesh(context);
    const broken = { answers: true };
    const [good, sick] = await Promise.all(["good", "sick"].map((name) => Named.start(context, name)));
    const bad = await startAnswering(context, (request, response) => {
      response.statusCode = broken.answers && request.url !== "/health" ? 500 : 200;
      response.end("bad");
    });
    sick!.status = 503;
    mesh.writeServices({ checked: [good!.port, sick!.port], judged: [good!.port, bad] });
    mesh.writePolicy({
      edge: {
        listen,
        routes: [
          { prefix: "/checked", service: "checked" },
          { prefix: "/", service: "judged" },
        ],
      },
      services: {
        checked: { health_check: { path: "/health", interval_ms: 200 } },
        judged: {
          outlier: { consecutive_5xx: 3, interval_ms: 200, ejection_ms: 1000, max_ejected_percent: 50 },
        },
      },
    });
    const port = await startEdge(context, kind, mesh);
    const bodies = async (path: string): Promise<string> => {
      const found = new Set<string>();
      for (let i = 0; i < 10; i++) found.add((await ask(port, path)).body);
      return [...found].sort().join();
    };
    assert.equal(await bodies("/checked"), "good");
    sick!.status = 200;
    await waitUntil("the sick one is well", async () => (await bodies("/checked")) === "good,sick");
    await waitUntil("the bad one is ejected", async () => (await bodies("/")) === "good");
    broken.answers = false;
    await waitUntil("the bad one is back", async () => (await bodies("/")) === "bad,good");
  });

  peerTest(
    `${kind} knows services by host, suffix and path, and refuses what it may not call`,
    [kind],
    async (context) => {
      const mesh = new ControlMesh(context);
      const [users, pay] = await Promise.all(["users", "pay"].map((name) => Named.start(context, name)));
      mesh.writeServices({ users: [users!.port], pay: [pay!.port], "users.mesh": [pay!.port] });
      mesh.writePolicy({
        edge: { listen, hosts: { suffixes: ["mesh", "svc.test"], paths: true, default: "users" } },
        services: { pay: { callers: ["orders"] } },
      });
      const port = await startEdge(context, kind, mesh);
      const by = async (host: string, path = "/") => {
        const { status, body } = await ask(port, path, { host });
        return status === 200 ? body : status;
      };
      assert.equal(await by("users"), "users");
      assert.equal(await by("users:8080"), "users");
      assert.equal(await by("users.svc.test:80"), "users");
      assert.equal(await by("users.mesh"), "pay", "the service of that name goes before the suffix");
      assert.equal(await by("pay"), "users", "not a caller of pay: the host is not known");
      assert.equal(await by("any", "/users/x"), "users");
      assert.equal(users!.asked.at(-1)!.path, "/x");
      assert.equal(await by("any", "/pay/x"), "users");
    },
  );
}

for (const kind of ["envoy", "weft"] as const) {
  peerTest(`${kind} reaches services over TLS with its own certificate`, [kind], async (context) => {
    const mesh = new ControlMesh(context);
    const { caFile, certFile, keyFile } = certificateFiles(mesh.folder);
    const server = createTlsServer(
      {
        cert: readFileSync(certFile),
        key: readFileSync(keyFile),
        ca: readFileSync(caFile),
        requestCert: true,
        rejectUnauthorized: true,
      },
      ({ socket }, response) =>
        response.end(`for ${String((socket as TLSSocket).getPeerCertificate().subject.CN)}`),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    context.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const tls = { ca: caFile, cert: certFile, key: keyFile, sni: "users.test" };
    mesh.writeServices({ users: [port], wrong: [port], bare: [port] });
    mesh.writePolicy({
      edge: { listen, hosts: {} },
      services: {
        users: { tls: { ...tls, names: ["spiffe://mesh/users"] } },
        wrong: { tls: { ...tls, names: ["spiffe://mesh/other"] } },
        bare: { tls: { ca: caFile } },
      },
    });
    const edge = await startEdge(context, kind, mesh);
    assert.equal((await ask(edge, "/", { host: "users" })).body, "for leaf");
    assert.equal((await ask(edge, "/", { host: "wrong" })).status, 503, "another name than the policy wants");
    assert.equal((await ask(edge, "/", { host: "bare" })).status, 503, "the service wants a certificate");
  });
}

peerTest("Envoy takes everything that a policy can say", ["envoy"], async (context) => {
  const mesh = new ControlMesh(context);
  const users = await Named.start(context, "users");
  const labels = { stage: "canary" };
  const certificates = certificateFiles(mesh.folder);
  const everything = {
    health_check: { path: "/health", statuses: ["200-299", "404"], interval_ms: 60_000 },
    outlier: {
      consecutive_5xx: 3,
      consecutive_gateway_failures: 2,
      interval_ms: 5000,
      max_ejected_percent: 30,
    },
    limits: { connections: 10, pending: 20, requests: 30, retries: 5 },
    connection_idle_ms: 30_000,
    connect_timeout_ms: 500,
    timeout_ms: 0,
    idle_timeout_ms: 5000,
    retries: {
      on: "5xx,retriable-status-codes",
      statuses: [503],
      per_try_timeout_ms: 1000,
      backoff_ms: 10,
      max_backoff_ms: 100,
    },
    websocket: true,
  };
  mesh.writeServices({
    users: [{ port: users.port, version: "v1", zone: "a", region: "eu", metadata: labels }],
    hashed: [users.port],
    maglev: [users.port],
    grpc: [users.port],
    auto: [users.port],
    secure: [users.port],
    db: [users.port],
    slow: [users.port],
  });
  mesh.writePolicy({
    edge: {
      listen,
      hosts: { suffixes: ["mesh"], paths: true },
      tcp: [{ listen, service: "db" }],
      trusted_hops: 1,
      envoy: {
        listener: { per_connection_buffer_limit_bytes: 40_000 },
        http_connection_manager: {
          server_name: "mesh",
          common_http_protocol_options: { idle_timeout: "60s" },
        },
        http_filters: [
          {
            name: "envoy.filters.http.cors",
            typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors" },
          },
        ],
      },
      routes: [
        { regex: "/r/[0-9]+", service: "users", split: { v1: 3, v2: 1 }, envoy: { route: { metadata: {} } } },
        { path: "/p", service: "users", subset: { stage: "canary" }, rewrite_prefix: "/q" },
        { prefix: "/w/", service: "users", rewrite_prefix: "/x/", mirror: { version: "v1", percent: 0.5 } },
      ],
    },
    services: {
      users: {
        ...everything,
        balance: {
          policy: "least_request",
          choices: 3,
          slow_start_ms: 10_000,
          panic_percent: 10.5,
          locality: "weighted",
          subsets: [["stage"], ["version", "stage"]],
          subset_fallback: "none",
        },
        envoy: {
          cluster: { per_connection_buffer_limit_bytes: 1000 },
          route: { decorator: { operation: "u" } },
        },
      },
      hashed: {
        balance: {
          policy: "ring_hash",
          hash: [
            { header: "x-user" },
            { cookie: "id", cookie_ttl_ms: 1000 },
            { query: "q" },
            { source_ip: true },
          ],
        },
      },
      maglev: { balance: { policy: "maglev", hash: [{ cookie: "id" }], locality: "zone_aware" } },
      grpc: { protocol: "grpc", health_check: { grpc_service: "users.Users" } },
      auto: { protocol: "auto", connection_idle_ms: 1000 },
      secure: {
        protocol: "auto",
        tls: {
          ca: certificates.caFile,
          cert: certificates.certFile,
          key: certificates.keyFile,
          sni: "users.test",
          names: ["users.test", "spiffe://mesh/users"],
        },
      },
      db: { protocol: "tcp", split: { v1: 1, v2: 3 }, health_check: {}, balance: { policy: "random" } },
      slow: { balance: { policy: "round_robin", slow_start_ms: 1000, locality: "failover" }, outlier: {} },
    },
    regions: { us: { gateway: "10.9.9.9:15443", services: ["only-us"] } },
  });
  const { xdsPort } = await mesh.start();
  const node = { control: `127.0.0.1:${xdsPort}`, nodeId: "edge-1", cluster: "edge", adminPort: 0 };
  const edge = await mesh.envoy(proxyBootstrap({ ...node, region: "eu", zone: "a" }));
  const sidecar = { service: "orders", inbound: listen, outbound: listen, app: `127.0.0.1:${users.port}` };
  await mesh.envoy(proxyBootstrap({ ...node, nodeId: "orders-1", cluster: "orders", sidecar }));
  const gateway = proxyBootstrap({ ...node, nodeId: "gateway-1", cluster: "gateway", region: "us" });
  Object.assign((gateway["node"] as { metadata: object }).metadata, { weft: { view: "gateway" } });
  await mesh.envoy(gateway);
  for (const id of ["edge-1", "orders-1", "gateway-1"]) {
    await mesh.synced(id);
    const types = (await mesh.node(id))!.types;
    assert.equal(types.length, 4, id);
  }
  const stats = await edge.stats("update_rejected|warming");
  assert.deepEqual(
    [...stats].filter(([, value]) => value !== 0),
    [],
  );
  assert.ok(!mesh.log.some((line) => line.includes("rejects")), mesh.log.join("\n"));
});

for (const kind of ["envoy", "weft"] as const) {
  peerTest(
    `${kind} beside a service reaches tcp services it may call, on their ports`,
    [kind],
    async (context) => {
      const mesh = new ControlMesh(context);
      const echo = createTcpServer((socket) => socket.on("data", (data) => socket.end(`db ${String(data)}`)));
      await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
      context.after(() => echo.close());
      const app = await Named.start(context, "app");
      const { port } = echo.address() as AddressInfo;
      mesh.writeServices({ db: [port], secret: [port] });
      mesh.writePolicy({
        services: {
          db: { protocol: "tcp", port: 5432, callers: ["ord*"] },
          secret: { protocol: "tcp", port: 5433, callers: ["admin"] },
        },
      });
      const { xdsPort } = await mesh.start({ weft: ledgers });
      const sidecar = { service: "orders", inbound: listen, outbound: listen, app: `127.0.0.1:${app.port}` };
      const bootstrap = proxyBootstrap({
        control: `127.0.0.1:${xdsPort}`,
        nodeId: "orders-1",
        cluster: "orders",
        adminPort: 0,
        sidecar,
      });
      const { metadata } = bootstrap["node"] as { metadata: { weft: Record<string, unknown> } };
      metadata.weft["tcp"] = { db: listen, secret: listen };
      const proxy = await mesh.proxy(kind, bootstrap);
      await mesh.synced("orders-1");
      assert.deepEqual([...proxy.ports.keys()].sort(), ["inbound", "outbound", "tcp_db"]);
      const { promise, resolve } = Promise.withResolvers<string>();
      const client = connect(proxy.ports.get("tcp_db")!, "127.0.0.1", () => client.write("hi"));
      client.on("data", (data) => resolve(String(data)));
      client.on("error", (error) => resolve(error.message));
      assert.equal(await promise, "db hi");
      const clusters = await (await fetch(`${proxy.admin}/clusters`)).text();
      assert.doesNotMatch(clusters, /^secret::/m, "what may not be called is not even known");
    },
  );
}
