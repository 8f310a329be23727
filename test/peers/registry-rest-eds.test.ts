import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { startRegistry } from "../../src/registry/start-registry.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer, peerTest } from "../../src/testing/peers.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

// Real Envoy polls the registry itself: no control plane between them.

function bootstrap(registryPort: number): string {
  const address = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
  return JSON.stringify({
    node: { id: "edge-1", cluster: "edge" },
    admin: { address: address(0) },
    static_resources: {
      listeners: [
        {
          name: "main",
          address: address(0),
          filter_chains: [
            {
              filters: [
                {
                  name: "hcm",
                  typed_config: {
                    "@type":
                      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    stat_prefix: "main",
                    route_config: {
                      virtual_hosts: [
                        {
                          name: "all",
                          domains: ["*"],
                          routes: [{ match: { prefix: "/" }, route: { cluster: "users" } }],
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: "router",
                        typed_config: {
                          "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                        },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: "users",
          type: "EDS",
          eds_cluster_config: {
            eds_config: {
              resource_api_version: "V3",
              api_config_source: {
                api_type: "REST",
                transport_api_version: "V3",
                cluster_names: ["registry"],
                refresh_delay: "0.2s",
                request_timeout: "1s",
              },
            },
          },
        },
        {
          name: "registry",
          type: "STATIC",
          load_assignment: {
            cluster_name: "registry",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(registryPort) } }] }],
          },
        },
      ],
    },
  });
}

async function startNamed(name: string): Promise<{ port: number; close(): void }> {
  const server = createServer((_request, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

peerTest(
  "Envoy polls the registry over REST EDS: registration, drain, restart, deregistration",
  ["envoy"],
  async (context) => {
    const folder = tempDir("registry-rest-eds");
    const log = pino({ level: "silent" });
    const path = join(folder, "registry.db");
    let registry = await startRegistry({ path, port: 0, log });
    context.after(() => registry.close());
    const registryPort = Number(new URL(registry.url).port);
    const one = await startNamed("one");
    const two = await startNamed("two");
    context.after(() => {
      one.close();
      two.close();
    });

    const at = (port: number, rest = "") =>
      `${registry.url}/v1/services/users/instances/127.0.0.1:${port}${rest}`;
    const put = async (port: number, body: object) => {
      const reply = await fetch(at(port), { method: "PUT", body: JSON.stringify(body) });
      assert.ok(reply.ok, await reply.text());
    };
    await put(one.port, { zone: "z1", region: "r1", version: "7", metadata: { canary: true } });

    const config = join(folder, "envoy.json");
    writeFileSync(config, bootstrap(registryPort));
    const adminFile = join(folder, "admin");
    const envoy = new ManagedProcess(findPeer("envoy")!, [
      "-c",
      config,
      "--concurrency",
      "1",
      "--use-dynamic-base-id",
      "--log-level",
      "warning",
      "--admin-address-path",
      adminFile,
    ]);
    context.after(() => envoy.stop());
    const admin = await waitUntil(
      "Envoy's admin address",
      () => existsSync(adminFile) && readFileSync(adminFile, "utf8"),
    );
    const page = async (what: string) => (await fetch(`http://${admin}${what}`)).text();
    await waitUntil(
      "Envoy is ready",
      async () => (await page("/ready").catch(() => "")).startsWith("LIVE"),
      10_000,
    );
    const listeners = JSON.parse(await page("/listeners?format=json")) as {
      listener_statuses: { local_address: { socket_address: { port_value: number } } }[];
    };
    const port = listeners.listener_statuses[0]?.local_address.socket_address.port_value;

    const ask = async () => (await fetch(`http://127.0.0.1:${port}/`)).text();
    const answers = async () => new Set(await Promise.all(Array.from({ length: 12 }, ask)));
    const only = (name: string) =>
      waitUntil(`only ${name} answers`, async () => {
        const seen = await answers();
        return seen.size === 1 && seen.has(name);
      });

    await only("one");
    assert.match(await page("/clusters"), /users::127\.0\.0\.1:\d+::region::r1/);
    assert.match(await page("/clusters"), /users::127\.0\.0\.1:\d+::zone::z1/);

    await put(two.port, {});
    await waitUntil("both answer", async () => (await answers()).size === 2);

    // Unchanged content is answered by 304, which Envoy takes as success.
    const polls = async () => {
      const stats = await page("/stats?filter=cluster.users.update_");
      return Number(/update_failure: (\d+)/.exec(stats)?.[1] ?? 0);
    };
    const failures = await polls();
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(await polls(), failures);
    const metrics = await (await fetch(`${registry.url}/metrics`)).text();
    assert.ok(Number(/eds_polls_total\{result="unchanged"\} (\d+)/.exec(metrics)?.[1]) > 0);

    await fetch(at(one.port, "/drain"), { method: "POST" });
    await only("two");
    assert.match(await page("/clusters?format=json"), /DRAINING/);
    await fetch(at(one.port, "/drain"), { method: "DELETE" });
    await waitUntil("both answer again", async () => (await answers()).size === 2);

    // A dead and restarted registry takes nothing away.
    await registry.close();
    assert.equal((await answers()).size, 2);
    registry = await startRegistry({ path, port: registryPort, log });
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal((await answers()).size, 2);

    await fetch(at(two.port), { method: "DELETE" });
    await only("one");
  },
);
