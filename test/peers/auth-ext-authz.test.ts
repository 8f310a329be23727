import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import { startAuth } from "../../src/auth/start-auth.ts";
import { createAuthToken } from "../../src/auth/token-file.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { startProxy, type ProxyKind } from "../../src/testing/start-proxy.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";

// Real Envoy and Weft ask the auth service about each request, over both forms of ext_authz.

const address = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const cluster = (name: string, port: number, http2 = false) => ({
  name,
  type: "STATIC",
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
  },
  ...(http2 && {
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: {
        "@type": `type.googleapis.com/${HTTP_OPTIONS}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  }),
});
const exact = (...names: string[]) => ({ patterns: names.map((name) => ({ exact: name })) });

const services = {
  http: {
    allowed_headers: exact("x-request-id", "traceparent", "tracestate"),
    http_service: {
      server_uri: { uri: "http://auth", cluster: "auth", timeout: "1s" },
      path_prefix: "/check",
      authorization_response: {
        allowed_upstream_headers: exact("x-user-id", "x-user-roles", "traceparent"),
      },
    },
  },
  grpc: { grpc_service: { envoy_grpc: { cluster_name: "auth" }, timeout: "1s" } },
};

function bootstrap(form: keyof typeof services, authPort: number, upstreamPort: number): string {
  const extension = "type.googleapis.com/envoy.extensions.filters";
  const authz = {
    "@type": `${extension}.http.ext_authz.v3.ExtAuthz`,
    transport_api_version: "V3",
    ...services[form],
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
      clusters: [cluster("auth", authPort, form === "grpc"), cluster("upstream", upstreamPort)],
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

async function check(context: TestContext, kind: ProxyKind, form: keyof typeof services): Promise<void> {
  const folder = tempDir("auth-ext-authz");
  const path = join(folder, "auth.db");
  const policyPath = join(folder, "policy.yaml");
  writeFileSync(
    policyPath,
    "rules:\n  - path_prefix: /open\n    allow: public\n  - path_prefix: /admin\n    roles: [admin]\n",
  );
  const { token } = createAuthToken(path, { user: "ann" });
  const log = pino({ level: "silent" });
  const auth = await startAuth({
    path,
    port: 0,
    grpcPort: 0,
    adminPort: 0,
    pathPrefix: "/check",
    policyPath,
    log,
  });
  context.after(() => auth.close());
  const upstream = createServer((incoming, response) => response.end(JSON.stringify(incoming.headers)));
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });

  const authPort = form === "grpc" ? auth.grpcAddress.split(":").at(-1) : new URL(auth.url).port;
  const upstreamPort = (upstream.address() as AddressInfo).port;
  const proxy = await startProxy(kind, bootstrap(form, Number(authPort), upstreamPort));
  context.after(() => proxy.stop());
  const port = proxy.ports.get("edge")!;

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
}

for (const form of ["http", "grpc"] as const) {
  for (const kind of ["envoy", "weft"] as const) {
    peerTest(
      `${kind} asks the auth service over ${form}: 401, 403, identity, trace, and no header of the client's own`,
      kind === "envoy" ? ["envoy"] : [],
      (context) => check(context, kind, form),
    );
  }
}
