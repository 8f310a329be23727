import assert from "node:assert/strict";
import { writeFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { startControl } from "../../src/control/control.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer, peerTest, type PeerName } from "../../src/testing/peers.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

// gRPC clients without a proxy find and balance over servers that the control plane tells them.

const bytes = (value: Buffer) => value;

async function startNamed(t: TestContext, name: string): Promise<number> {
  const server = new Server();
  const method = {
    path: "/test.Name/Get",
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  server.addService(
    { get: method },
    {
      get: (_call: unknown, answer: (error: null, value: Buffer) => void) => answer(null, Buffer.from(name)),
    },
  );
  t.after(() => server.forceShutdown());
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  );
  return promise;
}

function writeUsers(directory: string, ports: number[]): void {
  const users = { instances: ports.map((port) => ({ ip: "127.0.0.1", port })) };
  writeFileSync(join(directory, ".new"), JSON.stringify({ services: { users } }));
  renameSync(join(directory, ".new"), join(directory, "users.json"));
}

interface XdsClient {
  readonly name: string;
  readonly peer?: PeerName;
  readonly command: () => readonly [command: string, ...args: string[]];
}

const clients: readonly XdsClient[] = [
  {
    name: "grpc-js",
    command: () => [process.execPath, join(import.meta.dirname, "control-grpc.child.ts")],
  },
  ...(["grpc-go-xds-client", "grpc-python-xds-client"] as const).map((peer) => ({
    name: peer,
    peer,
    command: () => [findPeer(peer)!] as const,
  })),
];

for (const { name, peer, command } of clients) {
  peerTest(`${name} resolves xds:///users and follows its endpoints`, peer === undefined ? [] : [peer], (t) =>
    followEndpoints(t, command()),
  );
}

async function followEndpoints(
  t: TestContext,
  [command, ...args]: readonly [string, ...string[]],
): Promise<void> {
  const one = await startNamed(t, "one");
  const two = await startNamed(t, "two");
  const directory = tempDir("control-grpc");
  writeUsers(directory, [one, two]);
  const log: string[] = [];
  const note = (message: string) => void log.push(message);
  const control = await startControl({
    sources: [`file:path=${directory}`],
    log: { info: note, warn: note },
  });
  t.after(() => control.close());

  const bootstrap = {
    xds_servers: [
      {
        server_uri: `127.0.0.1:${control.xdsPort}`,
        channel_creds: [{ type: "insecure" }],
        server_features: ["xds_v3"],
      },
    ],
    node: { id: "client-1", cluster: "clients", locality: { zone: "z1" } },
  };
  const start = (target: string) => {
    const env = { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) };
    const child = new ManagedProcess(command, [...args, target], { env });
    t.after(() => child.stop());
    return child;
  };
  const client = start("xds:///users");
  /** What the last few answers were. */
  const latest = () => [...new Set(client.stdout.trim().split("\n").slice(-20))].sort().join();

  await waitUntil("both answer", () => latest() === "one,two", 10_000);
  const { nodes } = (await (await fetch(`http://127.0.0.1:${control.apiPort}/v1/nodes`)).json()) as {
    nodes: { id: string; view: string; types: { state: string }[] }[];
  };
  assert.equal(nodes[0]!.id, "client-1");
  assert.equal(nodes[0]!.view, "grpc");
  assert.deepEqual(
    nodes[0]!.types.map((type) => type.state),
    ["synced", "synced", "synced", "synced"],
  );

  writeUsers(directory, [two]);
  await waitUntil("only two answers", () => latest() === "two");
  writeUsers(directory, [one, two]);
  await waitUntil("both answer again", () => latest() === "one,two");
  assert.doesNotMatch(client.stdout, /error/);

  start("xds:///nobody");
  const refusal = /client-1 asks for .*Listener nobody, which its view does not have/;
  await waitUntil("the unknown name is logged", () => log.some((line) => refusal.test(line)), 10_000);
}

test("gRPC client without a proxy follows versions, routes and everything else that it can", async (t) => {
  const [one, two] = await Promise.all(["one", "two"].map(async (name) => startNamed(t, name)));
  const directory = tempDir("control-grpc");
  const instances = [one, two].map((port, i) => ({ ip: "127.0.0.1", port, version: `v${i + 1}` }));
  writeFileSync(join(directory, "users.json"), JSON.stringify({ services: { users: { instances } } }));
  const policy = (users: object) =>
    JSON.stringify({
      services: {
        users: {
          protocol: "grpc",
          health_check: {},
          outlier: {},
          balance: { policy: "maglev", hash: [{ header: "x-user" }], locality: "failover" },
          fault: { delay_ms: 1 },
          rate_limit: { requests: 1 },
          retries: { on: "unavailable", attempts: 2 },
          ...users,
        },
        secret: { tls: { ca: "/nowhere.pem" } },
      },
    });
  const mesh = join(tempDir("control-grpc-policy"), "mesh.yaml");
  writeFileSync(mesh, policy({ split: { v1: 1, v2: 0 } }));
  const log: string[] = [];
  const note = (message: string) => void log.push(message);
  const control = await startControl({
    sources: [`file:path=${directory}`],
    mesh,
    log: { info: note, warn: note },
  });
  t.after(() => control.close());
  const server = { server_uri: `127.0.0.1:${control.xdsPort}`, channel_creds: [{ type: "insecure" }] };
  const bootstrap = {
    xds_servers: [{ ...server, server_features: ["xds_v3"] }],
    node: { id: "client-1", cluster: "clients", locality: { zone: "z1" } },
  };
  const script = join(import.meta.dirname, "control-grpc.child.ts");
  const client = new ManagedProcess(process.execPath, [script, "xds:///users"], {
    env: { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) },
  });
  t.after(() => client.stop());
  const latest = () => [...new Set(client.stdout.trim().split("\n").slice(-10))].sort().join();
  const reach = (answers: string) =>
    waitUntil(`answers ${answers}, not ${latest()}; ${log.join("; ")}`, () => latest() === answers, 15_000);
  await reach("one");
  writeFileSync(mesh, policy({ split: { v1: 1 }, routes: [{ prefix: "/test.Name", version: "v2" }] }));
  await reach("two");
  writeFileSync(mesh, policy({ split: { v1: 1 }, routes: [{ prefix: "/test.Other", version: "v2" }] }));
  await reach("one");
  assert.ok(!log.some((line) => line.includes("rejects")), log.join("\n"));
});
