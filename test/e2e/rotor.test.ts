import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { freePort } from "../../src/testing/free-port.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer, peerTest } from "../../src/testing/peers.ts";
import { ScriptedUpstream } from "../../src/testing/scripted-upstream.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const weft = join(import.meta.dirname, "../../bin/weft.js");

function upstream(t: TestContext, body: string): Promise<ScriptedUpstream> {
  const answer = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const started = ScriptedUpstream.start([[{ expect: "request" }, { send: answer }, { repeat: true }]]);
  t.after(async () => (await started).close());
  return started;
}

async function ask(port: number, host: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const call = request({ port, host: "127.0.0.1", headers: { host }, agent: false }, (response) => {
    let text = `${response.statusCode} `;
    response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    response.on("end", () => resolve(text));
  });
  call.on("error", (error) => resolve(error.message));
  call.end();
  return promise;
}

function start(t: TestContext, command: string, args: string[], env: Record<string, string>): ManagedProcess {
  const process = new ManagedProcess(command, args, { env: { ...globalThis.process.env, ...env } });
  t.after(() => process.stop());
  return process;
}

/** Rotor's file collector and an envoy-simple beside it, as their users started them. */
async function startRotor(t: TestContext) {
  const [users, orders, fixed] = await Promise.all(
    ["users", "orders", "fixed"].map((name) => upstream(t, name)),
  );
  const folder = tempDir("rotor");
  const [xds, listener, own, api, admin] = await Promise.all([1, 2, 3, 4, 5].map(() => freePort()));
  const file = join(folder, "clusters.json");
  const write = (ports: Record<string, number>) =>
    writeFileSync(
      file,
      JSON.stringify(
        Object.entries(ports).map(([cluster, port]) => ({
          cluster,
          instances: [{ host: "127.0.0.1", port }],
        })),
      ),
    );
  write({ users: users!.port });
  const fixedFile = join(folder, "static.yaml");
  writeFileSync(
    fixedFile,
    `
clusters:
- name: fixed
  type: STATIC
  connect_timeout: 1s
  hosts: [{ socket_address: { address: 127.0.0.1, port_value: ${fixed!.port} } }]
listeners:
- name: own
  address: { socket_address: { address: 127.0.0.1, port_value: ${own} } }
  filter_chains:
  - filters:
    - name: envoy.http_connection_manager
      config:
        stat_prefix: own
        route_config:
          virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: fixed } }] }]
        http_filters: [{ name: envoy.router, config: {} }]
`,
  );
  const rotor = start(t, globalThis.process.execPath, [weft, "rotor", "--api-port", String(api)], {
    ROTOR_CMD: "file",
    ROTOR_FILE_FILENAME: file,
    ROTOR_XDS_ADDR: `127.0.0.1:${xds}`,
    ROTOR_XDS_STANDALONE_PORT: String(listener),
    ROTOR_XDS_STATIC_RESOURCES_FILENAME: fixedFile,
    ROTOR_API_KEY: "gone",
  });
  const simple = { ENVOY_XDS_PORT: String(xds), ENVOY_ADMIN_PORT: String(admin), ENVOY_LOG_LEVEL: "warning" };
  return { rotor, simple, listener: listener!, own: own!, write, users: users!, orders: orders! };
}

async function journey(
  t: TestContext,
  run: (simple: Record<string, string>) => ManagedProcess,
): Promise<void> {
  const { rotor, simple, listener, own, write, users, orders } = await startRotor(t);
  const proxy = run(simple);
  const answers = (port: number, host: string, wanted: string) =>
    waitUntil(
      `${host} answers ${wanted}\n${rotor.stdout}${rotor.stderr}\n${proxy.stderr.slice(-3000)}`,
      async () => (await ask(port, host)) === wanted,
      20_000,
    );
  await answers(listener, "users", "200 users");
  await answers(listener, `users:${listener}`, "200 users");
  assert.match(await ask(listener, "nobody"), /^404/);
  await answers(own, "anything", "200 fixed");
  write({ users: users.port, orders: orders.port });
  await answers(listener, "orders", "200 orders");
  assert.match(rotor.stdout + rotor.stderr, /api\.key does nothing here: its service, Houston, is gone/);
}

test("weft rotor and weft sidecar do what Rotor and envoy-simple did, with their settings", async (t) => {
  await journey(t, (simple) => start(t, globalThis.process.execPath, [weft, "sidecar"], simple));
});

peerTest("weft rotor drives real Envoy with the bootstrap of weft sidecar --print", ["envoy"], async (t) => {
  await journey(t, (simple) => {
    const file = join(tempDir("sidecar"), "bootstrap.yaml");
    const script = `"$0" "$1" sidecar --print > "$2" && exec "$3" -c "$2" -l warning --disable-hot-restart`;
    return start(
      t,
      "/bin/sh",
      ["-c", script, globalThis.process.execPath, weft, file, findPeer("envoy")!],
      simple,
    );
  });
});
