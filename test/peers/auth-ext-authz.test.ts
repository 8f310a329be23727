import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import { startAuth } from "../../src/auth/start-auth.ts";
import { createAuthToken } from "../../src/auth/token-file.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer, peerTest } from "../../src/testing/peers.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

// Real Envoy asks the auth service about each request, over ext_authz' HTTP form.

const address = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
const cluster = (name: string, port: number) => ({
  name,
  type: "STATIC",
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
  },
});
const exact = (...names: string[]) => ({ patterns: names.map((name) => ({ exact: name })) });

function bootstrap(authPort: number, upstreamPort: number): string {
  const extension = "type.googleapis.com/envoy.extensions.filters";
  const authz = {
    "@type": `${extension}.http.ext_authz.v3.ExtAuthz`,
    transport_api_version: "V3",
    allowed_headers: exact("x-request-id", "traceparent", "tracestate"),
    http_service: {
      server_uri: { uri: "http://auth", cluster: "auth", timeout: "1s" },
      path_prefix: "/check",
      authorization_response: {
        allowed_upstream_headers: exact("x-user-id", "x-user-roles", "traceparent"),
      },
    },
  };
  const manager = {
    "@type": `${extension}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "edge",
    route_config: {
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "upstream" } }] },
      ],
    },
    http_filters: [
      { name: "ext_authz", typed_config: authz },
      { name: "router", typed_config: { "@type": `${extension}.http.router.v3.Router` } },
    ],
  };
  return JSON.stringify({
    node: { id: "edge-1", cluster: "edge" },
    admin: { address: address(0) },
    static_resources: {
      listeners: [
        {
          name: "edge",
          address: address(0),
          filter_chains: [{ filters: [{ name: "hcm", typed_config: manager }] }],
        },
      ],
      clusters: [cluster("auth", authPort), cluster("upstream", upstreamPort)],
    },
  });
}

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

async function get(port: number, path: string, headers: Record<string, string> = {}): Promise<Reply> {
  return await new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, path, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part: string) => (body += part));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    call.on("error", reject);
    call.end();
  });
}

peerTest(
  "Envoy asks the auth service: 401, 403, identity, trace, and no header of the client's own",
  ["envoy"],
  async (context) => {
    const folder = tempDir("auth-ext-authz");
    const path = join(folder, "auth.db");
    const policyPath = join(folder, "policy.yaml");
    writeFileSync(
      policyPath,
      "rules:\n  - path_prefix: /open\n    allow: public\n  - path_prefix: /admin\n    roles: [admin]\n",
    );
    const { token } = createAuthToken(path, { user: "ann" });
    const log = pino({ level: "silent" });
    const auth = await startAuth({ path, port: 0, adminPort: 0, pathPrefix: "/check", policyPath, log });
    context.after(() => auth.close());
    const upstream = createServer((incoming, response) => response.end(JSON.stringify(incoming.headers)));
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    context.after(() => {
      upstream.closeAllConnections();
      upstream.close();
    });

    const config = join(folder, "envoy.json");
    const adminFile = join(folder, "admin");
    writeFileSync(
      config,
      bootstrap(Number(new URL(auth.url).port), (upstream.address() as AddressInfo).port),
    );
    const envoy = new ManagedProcess(findPeer("envoy")!, [
      "-c",
      config,
      "--concurrency",
      "1",
      "--use-dynamic-base-id",
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
    const port = listeners.listener_statuses[0]!.local_address.socket_address.port_value;

    const forged = { "x-user-id": "root", "x-user-roles": "admin", tracestate: "a=b" };
    const seen = (reply: Reply) => JSON.parse(reply.body) as Record<string, string>;

    const missing = await get(port, "/users", forged);
    assert.equal(missing.status, 401);
    assert.equal(missing.headers["www-authenticate"], 'Bearer realm="weft"');
    assert.match(missing.body, /"error":"unauthorized"/);

    const known = await get(port, "/users?x=1", { ...forged, authorization: `Bearer ${token}` });
    assert.equal(known.status, 200);
    assert.equal(seen(known)["x-user-id"], "ann");
    assert.equal(seen(known)["x-user-roles"], undefined);
    assert.match(seen(known)["traceparent"] ?? "", /^00-/);
    assert.equal(seen(known)["tracestate"], undefined);
    assert.ok(seen(known)["x-request-id"]);

    const open = await get(port, "/open", forged);
    assert.equal(open.status, 200);
    assert.equal(seen(open)["x-user-id"], undefined, "a client's own x-user-id never gets through");
    assert.equal(seen(open)["x-user-roles"], undefined);

    const denied = await get(port, "/open/%2e%2e/admin", { authorization: `Bearer ${token}` });
    assert.equal(denied.status, 403);
    assert.match(denied.body, /insufficient_scope/);

    await auth.close();
    assert.equal(
      (await get(port, "/users", { authorization: `Bearer ${token}` })).status,
      403,
      "failure_mode_allow is off",
    );
  },
);
