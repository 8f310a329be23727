import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { DemoMesh } from "./demo-mesh.ts";

interface Echo {
  service: string;
  instance: string;
  user: string | null;
  request_id: string;
  traceparent: string;
  orders?: { user: Echo }[];
}

/** What a user of `weft up --demo` must be able to see, whatever the proxies are. */
export async function demoMeshJourney(t: TestContext, proxy: "weft" | "envoy"): Promise<void> {
  const mesh = await DemoMesh.start(t, proxy);
  await t.test("without a token 401; with it the service sees who asks, and nobody can pretend", () =>
    identity(mesh),
  );
  await t.test("one request id and one trace context in the access log of every hop", () => tracing(mesh));
  await t.test("paths pick services, unknown ones get 404", () => routing(mesh));
  await t.test(
    "a killed instance costs no request and goes when its lease ends; a new one gets traffic",
    () => killInstance(mesh),
  );
  await t.test(
    "traffic goes on without the control plane, without the registry, and auth fails as configured",
    () => killShared(mesh),
  );
  await t.test("Ctrl-C stops everything", () => interrupt(mesh));
}

async function identity(mesh: DemoMesh): Promise<void> {
  const refused = await mesh.get("/users/1", { authorization: "" });
  assert.equal(refused.status, 401);
  assert.match(String(refused.headers["www-authenticate"]), /^Bearer realm="weft"/);
  const wrong = await mesh.get("/users/1", { authorization: "Bearer wft_nobody" });
  assert.equal(wrong.status, 401);
  const answer = await mesh.get("/users/1", { "x-user-id": "root", "x-user-roles": "god" });
  assert.equal(answer.status, 200);
  const echo = JSON.parse(answer.body) as Echo;
  assert.equal(echo.user, "demo");
  assert.match(echo.request_id, /^[0-9a-f-]{36}$/);
  assert.match(echo.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
}

async function tracing(mesh: DemoMesh): Promise<void> {
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const answer = await mesh.get("/orders/7", { traceparent: trace });
  const echo = JSON.parse(answer.body) as Echo;
  const users = echo.orders![0]!.user;
  assert.equal(users.request_id, echo.request_id);
  assert.equal(users.user, "demo");
  // edge, the sidecar of orders in and out, and the sidecar of the users instance that answered.
  const hops = ["edge", "orders-1-sidecar", `${users.instance}-sidecar`];
  const lines = await waitUntil(
    "every hop logged the request",
    () => {
      const found = hops.flatMap((hop) =>
        mesh.log(hop).filter((line) => line.includes(`request_id=${echo.request_id}`)),
      );
      return found.length >= 4 && found;
    },
    15_000,
    100,
  );
  assert.equal(lines.length, 4, lines.join("\n"));
  for (const line of lines) assert.ok(line.includes(`traceparent=${trace}`), line);
}

async function routing(mesh: DemoMesh): Promise<void> {
  for (const [path, service] of [
    ["/users/1", "users"],
    ["/users", "users"],
    ["/orders/1", "orders"],
    ["/", "web"],
  ] as const) {
    const answer = await mesh.get(path);
    assert.equal(answer.status, 200, path);
    assert.equal((JSON.parse(answer.body) as Echo).service, service);
  }
  for (const path of ["/nope", "/usersx"]) {
    const answer = await mesh.get(path);
    assert.equal(answer.status, 404, path);
    assert.equal(answer.body, "");
    assert.equal(answer.headers["server"], "envoy");
  }
}

async function killInstance(mesh: DemoMesh): Promise<void> {
  const admins = await mesh.admins();
  const edge = admins.get("edge")!;
  const doomed = (await mesh.part("users-1-sidecar")).address;
  assert.ok((await mesh.endpoints(edge, "users")).includes(doomed));
  const load = mesh.load("/users/1");
  await sleep(500);
  process.kill((await mesh.part("users-1")).pid!, "SIGKILL");
  await waitUntil(
    "the instance is gone from all proxies",
    async () => {
      const all = await Promise.all([...admins.values()].map((admin) => mesh.endpoints(admin, "users")));
      return all.every((endpoints) => !endpoints.includes(doomed));
    },
    25_000,
    200,
  );
  const { total, failures } = await load.stop();
  assert.ok(total > 200, `only ${total} requests were made`);
  assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${total} requests failed`);
  const added = /(users-\d+) started/.exec(await mesh.weft("scale", "users", "3"))?.[1];
  assert.equal(added, "users-3");
  await waitUntil(
    "the new instance answers",
    async () => (JSON.parse((await mesh.get("/users/1")).body) as Echo).instance === added,
    10_000,
  );
}

async function killShared(mesh: DemoMesh): Promise<void> {
  const before = (await mesh.endpoints((await mesh.admins()).get("edge")!, "users")).sort();
  const load = mesh.load("/orders/1");
  for (const part of ["control", "registry"]) {
    await mesh.weft("kill", part);
    await sleep(1500);
    await mesh.weft("start", part);
    await waitUntil(`${part} runs`, async () => (await mesh.part(part)).state === "running");
  }
  // Both at once, so that the control plane comes back to nothing but what it had saved.
  await mesh.weft("kill", "registry");
  await mesh.weft("kill", "control");
  await mesh.weft("start", "control");
  await sleep(2000);
  await mesh.weft("start", "registry");
  await sleep(2000);
  // The thread that reads the token store dies, while the store itself is out of reach.
  const health = /health ([\d.:]+)/.exec((await mesh.part("auth")).about)![1]!;
  const store = join(mesh.dataDir, "auth.db");
  renameSync(store, `${store}.away`);
  assert.equal((await fetch(`http://${health}/reader/restart`, { method: "POST" })).status, 202);
  await sleep(1500);
  renameSync(`${store}.away`, store);
  const { total, failures } = await load.stop();
  assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${total} requests failed`);
  const after = (await mesh.endpoints((await mesh.admins()).get("edge")!, "users")).sort();
  assert.deepEqual(after, before, "no endpoint was dropped or invented");

  await mesh.weft("kill", "auth");
  assert.equal((await mesh.get("/users/1")).status, 403, "failure mode deny");
  await mesh.weft("start", "auth");
  await waitUntil("auth answers again", async () => (await mesh.get("/users/1")).status === 200, 10_000);
}

async function interrupt(mesh: DemoMesh): Promise<void> {
  const pids = (await mesh.parts()).map(({ pid }) => pid).filter((pid) => pid !== null);
  assert.equal(await mesh.interrupt(), 0);
  await waitUntil("every process is gone", () => pids.every((pid) => !alive(pid)));
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
