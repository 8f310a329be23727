import assert from "node:assert/strict";
import { connect } from "node:net";
import type { TestContext } from "node:test";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import { freePorts } from "../../src/cli/up/free-ports.ts";
import { loadParts } from "../../src/proxy/main/parts.ts";
import type { ProxyKind } from "../../src/testing/start-proxy.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh, get, Load, startFailing, startNamed } from "./control-mesh.ts";

// What real proxies tell the control plane of their traffic, and what it makes of it. No proxy has an admin server that
// the control plane knows of, so it has nothing else to go by.

const { ledgers } = await loadParts();

const LOAD_INTERVAL_MS = 300;

interface Setting {
  readonly accessLog: "control" | "off";
  readonly loadReports: boolean;
}

async function start(context: TestContext, kind: ProxyKind, { accessLog, loadReports }: Setting) {
  const mesh = new ControlMesh(context);
  const [good, bad] = [await startNamed(context, "good"), await startFailing(context)];
  const tcpPort = (await freePorts(1))[0]!;
  mesh.writeServices({
    users: [
      { port: good, version: "v1" },
      { port: bad, version: "v2" },
    ],
    none: [],
    raw: [good],
  });
  mesh.writePolicy({
    access_log: accessLog,
    edge: {
      listen: "127.0.0.1:0",
      routes: [
        { prefix: "/none", service: "none" },
        { prefix: "/users", service: "users" },
      ],
      tcp: [{ listen: `127.0.0.1:${tcpPort}`, service: "raw" }],
    },
    services: { users: { split: { v1: 1 }, retries: { attempts: 0 } }, raw: { protocol: "tcp" } },
  });
  const { xdsPort } = await mesh.start({
    weft: ledgers,
    traffic: { loadIntervalMs: LOAD_INTERVAL_MS, labels: ["method"] },
  });
  const node = {
    control: `127.0.0.1:${xdsPort}`,
    nodeId: "edge-1",
    cluster: "edge",
    adminPort: 0,
    loadReports,
  };
  const proxy = await mesh.proxy(kind, proxyBootstrap(node));
  await mesh.synced("edge-1");
  return { mesh, port: proxy.ports.get("edge")!, tcpPort };
}

/** The value of a series; 0 when it is not there. */
async function metric(mesh: ControlMesh, series: string): Promise<number> {
  const page = await mesh.api<string>("/metrics");
  const line = page.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

async function isRolledBack(mesh: ControlMesh, port: number): Promise<string> {
  const load = new Load(port, "/users");
  const response = await fetch(`http://127.0.0.1:${mesh.control.apiPort}/v1/deployments/users`, {
    method: "POST",
    headers: { "x-weft-user": "ann" },
    body: JSON.stringify({
      to: "v2",
      steps: [50, 100],
      interval_ms: 600_000,
      criteria: { min_requests: 20, max_latency_factor: 100 },
    }),
  });
  assert.equal(response.status, 200, await response.text());
  const deployment = async () =>
    (await mesh.api<{ deployments: { phase: string; reason: string }[] }>("/v1/deployments")).deployments[0]!;
  try {
    await waitUntil("it is rolled back", async () => (await deployment()).phase === "rolled_back", 20_000);
  } finally {
    await load.stop();
  }
  return (await deployment()).reason;
}

for (const kind of ["envoy", "weft"] as const) {
  peerTest(
    `The access logs of a proxy become numbers, errors and a judgement (${kind})`,
    [kind],
    async (t) => {
      const { mesh, port, tcpPort } = await start(t, kind, { accessLog: "control", loadReports: false });
      assert.equal(await get(port, "/users/1?secret=1"), "200 good");
      assert.match(await get(port, "/none/2?secret=1"), /^503/);
      assert.match(await get(port, "/nowhere"), /^404/);
      const socket = connect(tcpPort, "127.0.0.1");
      await new Promise((resolve) => socket.once("connect", resolve));
      socket.end("GET / HTTP/1.0\r\n\r\n").resume();
      const count = (service: string, version: string, status: string) =>
        `weft_traffic_requests_total{service="${service}",version="${version}",class="${status}",node_cluster="edge",method="GET"}`;
      const wanted = [
        count("users", "v1", "2xx"),
        count("none", "", "5xx"),
        count("", "", "4xx"),
        'weft_traffic_connections_total{service="raw",version="",result="connected",node_cluster="edge"}',
        'weft_traffic_request_seconds_count{service="users",version="v1",class="2xx",node_cluster="edge",method="GET"}',
      ];
      for (const series of wanted) await waitUntil(series, async () => (await metric(mesh, series)) === 1);
      const { errors } = await mesh.api<{ errors: object[] }>("/v1/traffic/errors");
      assert.deepEqual(errors, [
        {
          status: 503,
          method: "GET",
          url: "http://test/none/2",
          cluster: "none",
          count: 1,
          too_high_by: 0,
        },
        { status: 404, method: "GET", url: "http://test/nowhere", cluster: "", count: 1, too_high_by: 0 },
      ]);
      assert.match(
        await isRolledBack(mesh, port),
        /^\d\d\.\d % of \d+ requests succeed(, 100\.0 % with the old version)?; 99 % are wanted$/,
      );
    },
  );
}

for (const kind of ["envoy", "weft"] as const) {
  peerTest(`Load reports of a proxy become numbers and a judgement (${kind})`, [kind], async (t) => {
    const { mesh, port } = await start(t, kind, { accessLog: "off", loadReports: true });
    const reported = async () =>
      metric(
        mesh,
        'weft_load_requests_total{service="users",version="v1",result="success",node_cluster="edge"}',
      );
    // What was before it is asked for reports is not told.
    await waitUntil("it reports", async () => {
      await get(port, "/users");
      return (await reported()) > 0;
    });
    let before = -1;
    await waitUntil("all is reported", async () => {
      const last = before;
      before = await reported();
      await new Promise((resolve) => setTimeout(resolve, 3 * LOAD_INTERVAL_MS));
      return before === last;
    });
    for (let i = 0; i < 5; i++) assert.equal(await get(port, "/users"), "200 good");
    await waitUntil("five more are reported", async () => (await reported()) === before + 5);
    assert.equal(
      await metric(mesh, 'weft_load_issued_total{service="users",version="v1",node_cluster="edge"}'),
      before + 5,
    );
    assert.equal(await metric(mesh, "weft_load_reporters"), 1);
    assert.match(
      await isRolledBack(mesh, port),
      /^\d\d\.\d % of \d+ requests succeed(, 100\.0 % with the old version)?; 99 % are wanted$/,
    );
    assert.ok(
      (await metric(
        mesh,
        'weft_load_requests_total{service="users",version="v2",result="error",node_cluster="edge"}',
      )) > 0,
    );
  });
}
