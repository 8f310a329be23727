import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { ProcessLog } from "./main/process-log.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { waitUntil } from "../testing/wait-until.ts";
import { ConnectionLoad } from "../testing/connection-load.ts";
import { endpoints, listener, routesTo, staticCluster } from "../testing/proxy-config.ts";
import { defaultOptions, type ProxyOptions } from "./options.ts";
import { startProxy, type ProxyServer } from "./server.ts";

const admin = { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } };

async function start(
  t: TestContext,
  config: unknown,
  changes: Partial<ProxyOptions> = {},
): Promise<ProxyServer> {
  const directory = tempDir("server");
  const options = {
    ...defaultOptions(),
    configYaml: JSON.stringify(config),
    concurrency: 1,
    logPath: join(directory, "log"),
    ...changes,
  };
  const server = await startProxy(options);
  t.after(() => server.close());
  return server;
}

async function upstream(t: TestContext, answer: http.RequestListener): Promise<number> {
  const server = http.createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function get(
  address: string,
  path: string,
  method = "GET",
): Promise<{ status: number; body: string; headers: Headers }> {
  const response = await fetch(`http://${address}${path}`, { method, headers: { connection: "close" } });
  return { status: response.status, body: await response.text(), headers: response.headers };
}

test("startProxy() serves static resources on real ports and drains", async (t) => {
  const arrived = Promise.withResolvers<http.ServerResponse>();
  const port = await upstream(t, (request, response) => {
    if (request.url === "/slow") arrived.resolve(response);
    else response.end("up");
  });
  const server = await start(t, {
    admin,
    static_resources: {
      listeners: [listener("l", { route_config: routesTo("up") })],
      clusters: [staticCluster("up", port)],
    },
  });
  const { address } = server.listeners()[0]!;
  assert.match(address, /^127\.0\.0\.1:[1-9]\d*$/);
  assert.equal((await get(address, "/direct")).body, "hi");
  assert.equal((await get(address, "/x")).body, "up");
  assert.equal((await get(server.adminAddress!, "/ready")).body, "LIVE\n");
  const stats = (await get(server.adminAddress!, "/stats")).body;
  assert.match(stats, /^cluster\.up\.upstream_rq_total: 1$/m);
  assert.match(stats, /^http\.l\.downstream_rq_2xx: 2$/m);
  assert.match(stats, /^cluster\.up\.membership_healthy: 1$/m);
  assert.match((await get(server.adminAddress!, "/listeners")).body, new RegExp(`^l::${address}$`, "m"));

  const slow = get(address, "/slow");
  const pending = await arrived.promise;
  server.drain();
  assert.equal(server.state(), "DRAINING");
  assert.equal((await get(server.adminAddress!, "/ready")).status, 503);
  await waitUntil("it came true", () => refused(address));
  pending.end("done");
  assert.equal((await slow).body, "done");
  assert.equal(await server.closed, 0);
});

function refused(address: string): Promise<boolean> {
  const [host, port] = address.split(":") as [string, string];
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.on("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.on("error", () => resolve(true));
  });
}

test("startProxy() refuses a bootstrap with all problems, and ports that are taken", async (t) => {
  await assert.rejects(
    start(t, { nodee: {}, static_resources: { clusters: [{ name: "a", typo: 1 }] } }),
    (error: Error) =>
      /unknown field "nodee"/.test(error.message) && /unknown field "typo"/.test(error.message),
  );
  await assert.rejects(
    start(t, { static_resources: { listeners: [listener("l", { route_config: routesTo("nosuch") })] } }),
    /route: unknown cluster 'nosuch'/,
  );
  const port = await upstream(t, () => undefined);
  await assert.rejects(
    start(t, {
      static_resources: {
        listeners: [listener("l", { route_config: routesTo("up") }, port)],
        clusters: [staticCluster("up", port)],
      },
    }),
    new RegExp(`cannot bind '127.0.0.1:${port}': Address already in use`),
  );
  await assert.rejects(
    start(t, { dynamic_resources: { ads_config: { api_type: "GRPC" } } }),
    /node 'id' and 'cluster' are required/,
  );
});

test("startProxy() takes listeners, routes, clusters and endpoints from files and by REST", async (t) => {
  const port = await upstream(t, (_request, response) => response.end("from files"));
  const directory = tempDir("xds");
  const file = (name: string, type: string, resources: object[]): object => {
    const path = join(directory, name);
    const typed = resources.map((resource) => ({ "@type": `type.googleapis.com/${type}`, ...resource }));
    writeFileSync(path, JSON.stringify({ version_info: "1", resources: typed }));
    return { resource_api_version: "V3", path_config_source: { path } };
  };
  const registry = await upstream(t, (_request, response) => {
    const assignment = { "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment" };
    response.end(
      JSON.stringify({ version_info: "7", resources: [{ ...assignment, ...endpoints("up", port) }] }),
    );
  });
  const rest = {
    resource_api_version: "V3",
    api_config_source: {
      api_type: "REST",
      transport_api_version: "V3",
      cluster_names: ["registry"],
      refresh_delay: "60s",
    },
  };
  const rds = file("rds.json", "envoy.config.route.v3.RouteConfiguration", [routesTo("up")]);
  const lds = listener("l", { rds: { config_source: rds, route_config_name: "r" } });
  const cds = { name: "up", type: "EDS", connect_timeout: "1s", eds_cluster_config: { eds_config: rest } };
  const server = await start(t, {
    node: { id: "n", cluster: "c" },
    admin,
    static_resources: { clusters: [staticCluster("registry", registry)] },
    dynamic_resources: {
      lds_config: file("lds.json", "envoy.config.listener.v3.Listener", [lds]),
      cds_config: file("cds.json", "envoy.config.cluster.v3.Cluster", [cds]),
    },
  });
  const { address } = server.listeners()[0]!;
  assert.equal((await get(address, "/")).body, "from files");
  const stats = (await get(server.adminAddress!, "/stats")).body;
  assert.match(stats, /^cluster_manager\.cds\.update_success: 1$/m);
  assert.match(stats, /^listener_manager\.lds\.update_success: 1$/m);
  assert.match(stats, /^cluster\.up\.update_success: 1$/m);
  assert.match(stats, /^http\.l\.rds\.r\.update_success: 1$/m);
  assert.match(stats, /^cluster\.up\.version_text: "7"$/m);
});

/** A manifest whose balancer breaks the thread at its first pick of a host; the URL of its file. */
function crashingManifest(directory: string): string {
  const manifest = join(directory, "manifest.ts");
  const source = new URL("../extensions/index.ts", import.meta.url).href;
  writeFileSync(
    manifest,
    `import { extensions as all } from ${JSON.stringify(source)};
    const crash = (def: any) => ({ ...def, create: () => () => ({ pick: () => void setTimeout(() => { throw new Error("crash on purpose"); }) }) });
    export const extensions = { ...all, lb: all.lb.map(crash) };`,
  );
  return `file://${manifest}`;
}

test("startProxy() replaces a worker that crashed", async (t) => {
  const directory = tempDir("crash");
  const manifest = crashingManifest(directory);
  const logPath = join(directory, "proxy.log");
  const options = {
    ...defaultOptions(),
    concurrency: 1,
    logPath,
    configYaml: JSON.stringify({
      static_resources: {
        listeners: [listener("l", { route_config: routesTo("up") })],
        clusters: [staticCluster("up", 1)],
      },
    }),
  };
  const log = new ProcessLog({
    level: "info",
    componentLevels: {},
    format: "%v",
    escaped: false,
    path: logPath,
  });
  const server = await startProxy(options, { manifest, log });
  t.after(() => server.close());
  const { address } = server.listeners()[0]!;
  await get(address, "/").catch(() => undefined);
  await waitUntil("it came true", () =>
    readFileSync(logPath, "utf8").includes("worker 0 crashed, replacing it in 100 ms"),
  );
  assert.match(readFileSync(logPath, "utf8"), /crash on purpose/);
  await waitUntil("it came true", async () => !(await refused(address)));
  assert.equal((await get(address, "/direct")).body, "hi");
});

test("a worker that crashes under load loses its own connections, and nobody who waits to be accepted", async (t) => {
  const directory = tempDir("crash-load");
  const options = {
    ...defaultOptions(),
    concurrency: 2,
    logPath: join(directory, "log"),
    configYaml: JSON.stringify({
      admin,
      static_resources: {
        listeners: [listener("l", { route_config: routesTo("up") })],
        clusters: [staticCluster("up", 1)],
      },
    }),
  };
  const server = await startProxy(options, { manifest: crashingManifest(directory) });
  t.after(() => server.close());
  const port = Number(server.listeners()[0]!.address.split(":")[1]);
  const clients = 8;
  const load = new ConnectionLoad(port, clients);
  await waitUntil("traffic", () => load.answered > 100, 20_000);
  await get(`127.0.0.1:${port}`, "/").catch(() => undefined);
  const replaced = async (): Promise<boolean> =>
    (await get(server.adminAddress!, "/stats?filter=worker_crashes")).body.includes(": 1");
  await waitUntil("the crash", replaced, 20_000);
  const before = load.answered;
  await waitUntil("traffic after it", () => load.answered > before + 500, 20_000);
  await load.end();
  const failed = [...load.failed.values()].reduce((sum, each) => sum + each, 0);
  // Each client has one connection; the queues hold none that is lost.
  assert.ok(failed <= clients, `${failed} connections failed`);
});

test("startProxy() says why workers cannot start", async () => {
  const directory = tempDir("broken");
  const manifest = join(directory, "manifest.ts");
  writeFileSync(
    manifest,
    `import { isMainThread } from "node:worker_threads";
    import { extensions as all } from ${JSON.stringify(new URL("../extensions/index.ts", import.meta.url).href)};
    if (!isMainThread) throw new Error("broken on purpose");
    export const extensions = all;`,
  );
  const options = {
    ...defaultOptions(),
    concurrency: 1,
    logPath: join(directory, "log"),
    configYaml: "node: {id: node1}",
  };
  await assert.rejects(
    startProxy(options, { manifest: `file://${manifest}` }),
    /worker 0 cannot start: .*broken on purpose/s,
  );
});
