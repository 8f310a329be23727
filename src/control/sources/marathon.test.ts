import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedHttp } from "../../testing/scripted-http.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { marathonSource } from "./marathon.ts";

const task = (port: number, more: object = {}) => ({
  id: `users.${port}`,
  host: "10.0.0.1",
  ports: [port, port + 1000],
  state: "TASK_RUNNING",
  ipAddresses: [{ ipAddress: "172.17.0.2", protocol: "IPv4" }],
  ...more,
});
const app = (tasks: unknown, more: object = {}) => ({
  id: "/shop/users",
  version: "2026-11-22T06:00:00.000Z",
  instances: 2,
  labels: { tbn_cluster: "users", version: "7" },
  cpus: 0.5,
  mem: 64,
  disk: 0,
  tasks,
  ...more,
});

test("marathonSource.watch() reads labelled apps as Rotor did, and more", async (t) => {
  const server = await ScriptedHttp.start(t);
  let apps: unknown[] = [
    app([task(1), task(2, { state: "TASK_STAGING" })]),
    { ...app([task(9)]), labels: {} },
  ];
  server.answer = () => ({ apps });
  const source = new WatchedSource(
    t,
    marathonSource,
    `url=${server.url},interval=10ms,token=t0,selector=a==b`,
  );
  const reading = await source.next();
  assert.ok(reading.kind === "ok");
  assert.deepEqual(reading.services.get("users")!.endpoints, [
    {
      ip: "10.0.0.1",
      port: 1,
      weight: 1,
      region: "",
      zone: "",
      version: "7",
      health: "healthy",
      metadata: {
        tbn_cluster: "users",
        version: "7",
        "app/id": "/shop/users",
        "app/version": "2026-11-22T06:00:00.000Z",
        "app/required_cpus": 0.5,
        "app/required_mem": 64,
        "app/required_disk": 0,
      },
    },
  ]);
  assert.equal(server.asked[0], "GET /v2/apps?embed=apps.tasks&label=a%3D%3Db");
  assert.equal(server.last?.headers.authorization, "token=t0");

  apps = [app([task(1)])];
  await source.until("users=10.0.0.1:1?");
  apps = [app([task(1)], { instances: 1 })];
  await source.until("users=10.0.0.1:1");
  apps = [app([task(1, { healthCheckResults: [{ alive: false }] }), task(2)], { healthChecks: [{}] })];
  await source.until("users=10.0.0.1:1!un,10.0.0.1:2!un");
  apps = [
    app([task(1), task(2)], {
      networks: [{ mode: "container", name: "dcos" }],
      container: { portMappings: [{ containerPort: 80 }] },
    }),
  ];
  await source.until("users=172.17.0.2:80");
  apps = [app([task(1), { host: 5 }])];
  await source.until("users=10.0.0.1:1?+1");
  server.answer = () => ({ status: 401, body: "no" });
  await source.until("error: HTTP 401: no");
  for (const nonsense of ["", "{}", '{"apps":5}', '{"apps":[{"labels":{}}]}']) {
    server.answer = () => nonsense;
    await source.until(/^error: (the|an)/);
  }
  server.answer = () => ({ apps: [app([], { instances: 0 })] });
  await source.until("users=");
});
