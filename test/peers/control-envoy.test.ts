import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer, peerTest } from "../../src/testing/peers.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh, get, Load, startNamed } from "./control-mesh.ts";

// Real Envoy fed by the control plane.

const listen = "127.0.0.1:0";
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function edgePolicy(services: readonly string[], more: object = {}): object {
  const routes = services.map((service) => ({ prefix: `/${service}`, service }));
  return { edge: { listen, routes }, ...more };
}

function edgeBootstrap(xdsPort: number): Record<string, unknown> {
  return proxyBootstrap({
    control: `127.0.0.1:${xdsPort}`,
    nodeId: "edge-1",
    cluster: "edge",
    adminPort: 0,
  });
}

peerTest(
  "Envoy at the edge follows services, routes and settings without a failed request",
  ["envoy"],
  async (context) => {
    const mesh = new ControlMesh(context);
    const [one, two, orders] = await Promise.all(["one", "two", "orders"].map((n) => startNamed(context, n)));
    mesh.writeServices({ users: [one!, two!], orders: [orders!] });
    mesh.writePolicy(edgePolicy(["users"]));
    const { xdsPort } = await mesh.start();
    const envoy = await mesh.envoy(edgeBootstrap(xdsPort));
    const edge = envoy.ports.get("edge")!;
    await mesh.synced("edge-1");
    assert.equal(await get(edge, "/orders"), "404");
    const load = new Load(edge, "/users");

    // Endpoints come and go.
    for (let i = 0; i < 12; i++) {
      mesh.writeServices({ users: [[one!], [two!], [one!, two!]][i % 3]!, orders: [orders!] });
      await pause(70);
    }
    await mesh.synced("edge-1");

    // A route and its cluster come; then they go, the cluster last.
    mesh.writePolicy(edgePolicy(["users", "orders"]));
    await waitUntil("orders are routed", async () => (await get(edge, "/orders")) === "200 orders");
    const leaving = new Load(edge, "/orders");
    await pause(100);
    mesh.writePolicy(edgePolicy(["users"]));
    await waitUntil("orders are no longer routed", async () => (await get(edge, "/orders")) === "404");
    const clusters = async () => (await fetch(`${envoy.admin}/clusters`)).text();
    assert.match(await clusters(), /^orders::/m, "the cluster outlives its route");
    await waitUntil("the cluster goes as well", async () => !/^orders::/m.test(await clusters()));
    await leaving.stop();
    assert.deepEqual(
      leaving.failures.map(([answer]) => answer),
      ["404"],
      "never a route without its cluster",
    );

    // A cluster that changes warms anew: its endpoints are sent again.
    mesh.writePolicy(edgePolicy(["users"], { connect_timeout_ms: 777 }));
    await waitUntil("the setting arrived", async () =>
      (await (await fetch(`${envoy.admin}/config_dump?resource=dynamic_active_clusters`)).text()).includes(
        "0.777s",
      ),
    );
    const stats = await envoy.stats("cluster_manager.warming_clusters|update_rejected|init_fetch_timeout");
    assert.deepEqual(
      [...stats].filter(([, value]) => value !== 0),
      [],
    );

    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.ok(load.total > 100, `${load.total} requests`);
    assert.equal(await mesh.node("edge-1").then((node) => node?.view), "edge");
  },
);

peerTest("Envoy beside a service takes callers in and out", ["envoy"], async (context) => {
  const mesh = new ControlMesh(context);
  const [app, users] = await Promise.all(["app", "users"].map((name) => startNamed(context, name)));
  mesh.writeServices({ users: [users!], empty: [] });
  mesh.writePolicy({});
  const { xdsPort } = await mesh.start();
  const envoy = await mesh.envoy(
    proxyBootstrap({
      control: `127.0.0.1:${xdsPort}`,
      nodeId: "orders-1",
      cluster: "orders",
      zone: "z1",
      adminPort: 0,
      sidecar: { service: "orders", inbound: listen, outbound: listen, app: `127.0.0.1:${app}` },
    }),
  );
  const inbound = envoy.ports.get("inbound")!;
  const outbound = envoy.ports.get("outbound")!;
  assert.equal(await get(inbound, "/anything"), "200 app");
  assert.equal(await get(outbound, "/", "users"), "200 users");
  assert.equal(await get(outbound, "/", "users:8080"), "200 users");
  assert.equal(await get(outbound, "/", "empty"), "503 no healthy upstream");
  assert.equal(await get(outbound, "/", "nobody"), "404");

  const load = new Load(outbound, "/", "users");
  mesh.writeServices({ users: [users!], empty: [app!], more: [app!] });
  await waitUntil("the new service is there", async () => (await get(outbound, "/", "more")) === "200 app");
  assert.equal(await get(outbound, "/", "empty"), "200 app");
  mesh.writePolicy({ sidecar: { target_header: "x-target" } });
  await waitUntil("the header changed", async () => (await get(outbound, "/", "users")) === "404");
  await load.stop();
  assert.deepEqual(
    load.failures.filter(([answer]) => answer !== "404"),
    [],
  );
  assert.equal(await mesh.node("orders-1").then((node) => node?.view), "sidecar");
});

peerTest("Envoy keeps endpoints that a source suddenly forgets", ["envoy"], async (context) => {
  const mesh = new ControlMesh(context);
  const one = await startNamed(context, "one");
  mesh.writeServices({ users: [one] });
  mesh.writePolicy(edgePolicy(["users"]));
  const { xdsPort, apiPort } = await mesh.start();
  const edge = (await mesh.envoy(edgeBootstrap(xdsPort))).ports.get("edge")!;
  const load = new Load(edge, "/users");
  mesh.writeServices({});
  await waitUntil("it is held", () =>
    mesh.log.some((line) => line.startsWith("holding 1 endpoints of users")),
  );
  await pause(200);
  assert.deepEqual(load.failures, []);
  assert.match(await mesh.api("/metrics"), /weft_held_endpoints\{source="file"\} 1/);
  const { sources } = await mesh.api<{ sources: { holds: object[] }[] }>("/v1/sources");
  assert.equal(sources[0]!.holds.length, 1);

  writeFileSync(join(mesh.sources, "services.json"), "services: {users: {instances: [{ip: nowhere}]}}");
  await waitUntil("the broken file is reported", () =>
    mesh.log.some((line) => line.includes("must be an IP")),
  );
  await pause(200);
  await load.stop();
  assert.deepEqual(load.failures, []);

  mesh.writeServices({});
  await waitUntil("the source is read again", async () =>
    /weft_source_failing\{source="file"\} 0/.test(await mesh.api("/metrics")),
  );
  const released = await fetch(`http://127.0.0.1:${apiPort}/v1/holds/users`, { method: "DELETE" });
  assert.equal(released.status, 204);
  await waitUntil("it is let go", async () => (await get(edge, "/users")) === "503 no healthy upstream");
});

peerTest(
  "Envoy rejects a listener: the reason is shown, the old one serves on",
  ["envoy"],
  async (context) => {
    const mesh = new ControlMesh(context);
    const [users, orders] = await Promise.all(["users", "orders"].map((name) => startNamed(context, name)));
    mesh.writeServices({ users: [users!], orders: [orders!] });
    mesh.writePolicy(edgePolicy(["users", "orders"]));
    const { xdsPort } = await mesh.start({ lingerMs: 200 });
    const envoy = await mesh.envoy(edgeBootstrap(xdsPort));
    const edge = envoy.ports.get("edge")!;
    const load = new Load(edge, "/users");
    // An address of nobody here, so it cannot be bound.
    mesh.writePolicy({
      edge: { listen: "192.0.2.1:8080", routes: [{ prefix: "/users", service: "users" }] },
    });
    const rejected = await waitUntil("the rejection is shown", async () =>
      (await mesh.node("edge-1"))?.types.find(({ state }) => state === "nacked"),
    );
    assert.equal(rejected.type, "envoy.config.listener.v3.Listener");
    assert.match(rejected.error, /cannot bind '192\.0\.2\.1:8080'/);
    assert.ok(mesh.log.some((line) => /node edge-1 rejects .*Listener .*cannot bind/.test(line)));
    const metrics = await mesh.api<string>("/metrics");
    assert.match(
      metrics,
      /weft_xds_nacks_total\{node="edge-1",type="envoy\.config\.listener\.v3\.Listener"\} 1/,
    );
    assert.match(metrics, /weft_xds_rejecting_streams 1/);
    await pause(600);
    const clusters = await (await fetch(`${envoy.admin}/clusters`)).text();
    assert.match(clusters, /^orders::/m, "clusters stay with a node that did not take its listeners");

    mesh.writePolicy(edgePolicy(["users"]));
    await mesh.synced("edge-1");
    await waitUntil(
      "the cluster goes now",
      async () => !/^orders::/m.test(await (await fetch(`${envoy.admin}/clusters`)).text()),
    );
    await load.stop();
    assert.deepEqual(load.failures, []);
  },
);

peerTest(
  "Envoy serves on while the control plane is killed and comes back from what it last knew",
  ["envoy"],
  async (context) => {
    const mesh = new ControlMesh(context);
    const [one, two] = await Promise.all(["one", "two"].map((name) => startNamed(context, name)));
    mesh.writeServices({ users: [one!] });
    mesh.writePolicy(edgePolicy(["users"]));
    const lastGood = join(mesh.folder, "last-good.json");
    const start = (xdsPort: number, apiPort: number) => {
      const flags = ["--source", `file:path=${mesh.sources}`, "--mesh", mesh.policyFile];
      const ports = ["--xds-port", String(xdsPort), "--api-port", String(apiPort), "--last-good", lastGood];
      const control = new ManagedProcess(process.execPath, [
        findPeer("weft")!,
        "control",
        ...flags,
        ...ports,
      ]);
      context.after(() => control.stop());
      return control;
    };
    // Two ports that were free a moment ago.
    const spare = await new ControlMesh(context).start({
      mesh: mesh.policyFile,
      sources: ["file:path=/nowhere"],
    });
    const { xdsPort, apiPort } = spare;
    await spare.close();
    const ready = () =>
      waitUntil(
        "the control plane is ready",
        async () => (await fetch(`http://127.0.0.1:${apiPort}/readyz`).catch(() => undefined))?.ok === true,
        10_000,
      );
    const first = start(xdsPort, apiPort);
    await ready();
    const envoy = await mesh.envoy(edgeBootstrap(xdsPort));
    const edge = envoy.ports.get("edge")!;
    const load = new Load(edge, "/users");
    await pause(400);
    first.signal("SIGKILL");
    await first.exited;
    // The source cannot be read when it comes back.
    writeFileSync(join(mesh.sources, "services.json"), "services: [");
    const second = start(xdsPort, apiPort);
    await ready();
    const connected = async () =>
      (await envoy.stats("control_plane.connected_state")).get("control_plane.connected_state");
    await waitUntil("Envoy is back", async () => (await connected()) === 1, 15_000);
    await pause(300);
    assert.match(second.stdout + second.stderr, /serving the last known good catalog/);
    mesh.writeServices({ users: [two!] });
    await waitUntil(
      "the new endpoint arrives",
      async () => (await get(edge, "/users")) === "200 two",
      10_000,
    );
    await load.stop();
    assert.deepEqual(load.failures, []);
    const stopping = performance.now();
    assert.equal(await second.stop(), 0);
    assert.ok(performance.now() - stopping < 1500, "it stops at once though Envoy is connected");
  },
);

for (const kind of ["REST", "GRPC"] as const) {
  peerTest(`Envoy asks for each type by itself over ${kind}`, ["envoy"], async (context) => {
    const mesh = new ControlMesh(context);
    const [one, two] = await Promise.all(["one", "two"].map((name) => startNamed(context, name)));
    mesh.writeServices({ users: [one!], orders: [two!] });
    mesh.writePolicy(edgePolicy(["users", "orders"]));
    const { xdsPort, apiPort } = await mesh.start();
    await waitUntil("it is ready", async () => (await mesh.api<string>("/readyz")) === "OK\n");
    const envoy = await mesh.envoy(separateBootstrap(kind, xdsPort, apiPort));
    // The listener that comes by LDS, and one of the bootstrap with routes by RDS and a cluster with endpoints by EDS.
    const dynamic = envoy.ports.get("edge")!;
    const fixed = envoy.ports.get("fixed")!;
    assert.equal(await get(dynamic, "/orders"), "200 two");
    assert.equal(await get(fixed, "/users"), "200 one");
    const load = new Load(fixed, "/users");
    mesh.writeServices({ users: [two!], orders: [one!] });
    await waitUntil("endpoints follow", async () => (await get(fixed, "/users")) === "200 two");
    await waitUntil("endpoints follow", async () => (await get(dynamic, "/orders")) === "200 one");
    mesh.writePolicy(edgePolicy(["users"]));
    await waitUntil("routes follow", async () => (await get(fixed, "/orders")) === "404");
    await load.stop();
    assert.deepEqual(load.failures, []);
    const failed = await envoy.stats("update_rejected|update_failure");
    assert.deepEqual(
      [...failed].filter(([, value]) => value !== 0),
      [],
    );
  });
}

/** Clusters, listeners, routes and endpoints each over a stream or a poll of its own; resources themselves name ADS. */
function separateBootstrap(kind: "REST" | "GRPC", xdsPort: number, apiPort: number): object {
  const base = edgeBootstrap(xdsPort) as {
    static_resources: { clusters: Record<string, unknown>[] };
    dynamic_resources: object;
  };
  const by = {
    resource_api_version: "V3",
    initial_fetch_timeout: "5s",
    api_config_source: {
      api_type: kind,
      transport_api_version: "V3",
      ...(kind === "REST"
        ? { cluster_names: ["control_rest"], refresh_delay: "0.2s" }
        : { grpc_services: [{ envoy_grpc: { cluster_name: "weft_control" } }] }),
    },
  };
  const at = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
  const router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
  const manager = {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "fixed",
    rds: { route_config_name: "edge", config_source: by },
    http_filters: [{ name: "router", typed_config: { "@type": router } }],
  };
  return {
    ...base,
    dynamic_resources: { ...base.dynamic_resources, cds_config: by, lds_config: by },
    static_resources: {
      listeners: [
        {
          name: "fixed",
          address: at(0),
          filter_chains: [{ filters: [{ name: "hcm", typed_config: manager }] }],
        },
      ],
      clusters: [
        ...base.static_resources.clusters,
        {
          name: "control_rest",
          type: "STATIC",
          load_assignment: {
            cluster_name: "control_rest",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at(apiPort) } }] }],
          },
        },
        { name: "users", type: "EDS", eds_cluster_config: { eds_config: by } },
      ],
    },
  };
}
