import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import { freePorts } from "../../src/cli/up/free-ports.ts";
import { loadParts } from "../../src/proxy/main/parts.ts";
import { makeCertificate } from "../../src/testing/certs.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh } from "./control-mesh.ts";
import { ask, Named } from "./named-server.ts";

// Which zones requests go to.

const listen = "127.0.0.1:0";
const { ledgers } = await loadParts();

peerTest("Envoy prefers its own zone as far as it can take it", ["envoy"], async (context) => {
  const mesh = new ControlMesh(context);
  const names = ["a1", "a2", "a3", "b1", "b2", "b3"];
  const servers = await Promise.all(names.map((name) => Named.start(context, name)));
  const app = await Named.start(context, "app");
  mesh.writeServices({
    users: servers.map(({ port }, i) => ({ port, region: "eu", zone: names[i]!.slice(0, 1) })),
    orders: [
      { port: app.port, region: "eu", zone: "a" },
      { ip: "127.0.0.2", port: app.port, region: "eu", zone: "b" },
    ],
  });
  mesh.writePolicy({ defaults: { balance: { locality: "zone_aware" } } });
  const { xdsPort } = await mesh.start();
  const proxy = await mesh.envoy(
    proxyBootstrap({
      control: `127.0.0.1:${xdsPort}`,
      nodeId: "orders-1",
      cluster: "orders",
      region: "eu",
      zone: "a",
      adminPort: 0,
      zoneAware: true,
      sidecar: { service: "orders", inbound: listen, outbound: listen, app: `127.0.0.1:${app.port}` },
    }),
  );
  await mesh.synced("orders-1");
  const seen = new Set<string>();
  for (let i = 0; i < 60; i++)
    seen.add((await ask(proxy.ports.get("outbound")!, "/", { host: "users" })).body);
  assert.deepEqual([...seen].sort(), ["a1", "a2", "a3"]);
});

for (const kind of ["envoy", "weft"] as const) {
  peerTest(`${kind} uses its own zone, then its region, then the rest`, [kind], async (context) => {
    const mesh = new ControlMesh(context);
    const places = ["eu/a", "eu/b", "us/a"];
    const servers = await Promise.all(places.map((place) => Named.start(context, place)));
    const write = (...left: string[]) =>
      mesh.writeServices({
        users: servers
          .map(({ port }, i) => ({ port, region: places[i]!.slice(0, 2), zone: places[i]!.slice(3) }))
          .filter((_, i) => left.includes(places[i]!)),
      });
    write(...places);
    mesh.writePolicy({ edge: { listen, hosts: {} }, defaults: { balance: { locality: "failover" } } });
    const { xdsPort } = await mesh.start({ weft: ledgers });
    const node = { control: `127.0.0.1:${xdsPort}`, nodeId: "edge-1", cluster: "edge", adminPort: 0 };
    const proxy = await mesh.proxy(kind, proxyBootstrap({ ...node, region: "eu", zone: "a" }));
    await mesh.synced("edge-1");
    const only = async (place: string) =>
      waitUntil(`all requests go to ${place}`, async () => {
        const seen = new Set<string>();
        for (let i = 0; i < 10; i++)
          seen.add((await ask(proxy.ports.get("edge")!, "/", { host: "users" })).body);
        return seen.size === 1 && seen.has(place);
      });
    await only("eu/a");
    write("eu/b", "us/a");
    await only("eu/b");
    write("us/a");
    await only("us/a");
    write(...places);
    await only("eu/a");
  });
}

for (const kind of ["envoy", "weft"] as const) {
  peerTest(
    `${kind} reaches a service with TLS in another region through its front proxy`,
    [kind],
    async (context) => {
      const mesh = new ControlMesh(context);
      const ca = makeCertificate({ name: "Test CA", ca: true });
      const leaf = makeCertificate({ name: "users", names: ["DNS:users"], issuer: ca });
      const caFile = join(mesh.folder, "ca.pem");
      writeFileSync(caFile, ca.cert);
      const server = createServer({ cert: leaf.cert, key: leaf.key }, ({ headers }, response) =>
        response.end("x-weft-cluster" in headers ? "the header is left" : "users"),
      );
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      context.after(() => {
        server.closeAllConnections();
        server.close();
      });
      const { port } = server.address() as AddressInfo;
      const gateway = (await freePorts(1))[0]!;
      mesh.writeServices({ users: [{ port, region: "us" }] });
      mesh.writePolicy({
        edge: { listen, hosts: {} },
        services: { users: { tls: { ca: caFile } } },
        regions: { us: { gateway: `127.0.0.1:${gateway}`, listen: `127.0.0.1:${gateway}` } },
      });
      const { xdsPort } = await mesh.start({ weft: ledgers });
      const node = { control: `127.0.0.1:${xdsPort}`, adminPort: 0 };
      const front = {
        ...node,
        nodeId: "gateway-us",
        cluster: "gateway",
        region: "us",
        view: "gateway",
      } as const;
      const us = await mesh.proxy(kind, proxyBootstrap(front));
      const eu = await mesh.proxy(
        kind,
        proxyBootstrap({ ...node, nodeId: "edge-eu", cluster: "edge", region: "eu" }),
      );
      await mesh.synced("edge-eu");
      await mesh.synced("gateway-us");
      const { status, body } = await ask(eu.ports.get("edge")!, "/", {
        host: "users",
        "x-weft-cluster": "other",
      });
      assert.deepEqual([status, body], [200, "users"]);
      const seen = await us.stats("cluster.users.(ssl.handshake|upstream_rq_200)$");
      assert.equal(seen.get("cluster.users.ssl.handshake"), 1);
      assert.equal(
        (await ask(us.ports.get("gateway")!, "/", { host: "users" })).status,
        404,
        "which cluster?",
      );
      const nobody = await ask(us.ports.get("gateway")!, "/", { "x-weft-cluster": "nobody" });
      assert.equal(nobody.status, 503);
    },
  );
}
