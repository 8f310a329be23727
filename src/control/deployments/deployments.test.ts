import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../base/fake-clock.ts";
import { Configuration } from "../configuration/configuration.ts";
import type { Catalog, SourcedEndpoint } from "../model.ts";
import { policyWithoutFile } from "../policy/mesh-policy.ts";
import { SqliteRevisionStore } from "../store/sqlite-revision-store.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { DeploymentController } from "./deployment-controller.ts";
import type { ObservedTraffic, TrafficJudge, TrafficWatch } from "./traffic-judge.ts";

const WELL = { requests: 100, failures: 0, meanMs: 10 };

/** Tells what a test says proxies saw, of every watch since it began. */
class ScriptedJudge implements TrafficJudge {
  seen: Record<string, ObservedTraffic> = {};
  watches = 0;
  closed = 0;

  watch(): TrafficWatch {
    this.watches++;
    return { read: async () => new Map(Object.entries(this.seen)), close: () => void this.closed++ };
  }
}

function endpoint(version: string, health: SourcedEndpoint["health"] = "healthy"): SourcedEndpoint {
  return {
    ip: "10.0.0.1",
    port: 1,
    weight: 1,
    region: "",
    zone: "",
    version,
    health,
    metadata: {},
    source: "s",
  };
}

const catalog: Catalog = new Map([
  ["users", [endpoint("v1"), endpoint("v2"), endpoint("v3", "unhealthy")]],
  ["plain", [endpoint("")]],
]);

const path = () => `${tempDir("deployments")}/revisions.db`;

async function setUp(t: TestContext, file = path(), policy = "services: { users: { split: { v1: 1 } } }\n") {
  const clock = new FakeClock();
  const log: string[] = [];
  const note = (text: string) => void log.push(text);
  const store = new SqliteRevisionStore({ path: file, pollMs: 10 });
  const configuration = await Configuration.open({
    store,
    log: { info: note, warn: note },
    now: () => clock.wall(),
    fallback: policyWithoutFile(),
  });
  await configuration.takePolicyFile(policy, "mesh.yaml");
  const judge = new ScriptedJudge();
  const controller = new DeploymentController({
    configuration,
    catalog: () => catalog,
    judge,
    clock,
    log: { info: note, warn: note },
  });
  t.after(async () => {
    controller.close();
    await store.close();
  });
  const deploy = (more = {}) =>
    controller.start({
      service: "users",
      to: "v2",
      steps: [10, 50, 100],
      intervalMs: 60_000,
      by: "ann",
      ...more,
    });
  /** Lets time pass, and looks. */
  const pass = async (ms: number) => {
    clock.advance(ms);
    await controller.tick();
  };
  const shares = () => configuration.policy.services["users"]!.split;
  const phase = () => configuration.deployments["users"]!.phase;
  return { clock, log, store, configuration, judge, controller, deploy, pass, shares, phase };
}

test("a deployment goes on step by step as long as the new version does well", async (t) => {
  const { configuration, judge, deploy, pass, shares, phase, store } = await setUp(t);
  judge.seen = { "users@v1": WELL, "users@v2": WELL };
  await deploy();
  assert.deepEqual(shares(), { v1: 9000, v2: 1000 });
  await pass(59_000);
  assert.deepEqual(shares(), { v1: 9000, v2: 1000 }, "not before its time");
  await pass(1000);
  assert.deepEqual(shares(), { v1: 5000, v2: 5000 });
  await pass(60_000);
  assert.deepEqual(shares(), { v1: 0, v2: 10_000 });
  assert.equal(phase(), "running", "the last step is judged, too");
  await pass(60_000);
  assert.equal(phase(), "done");
  assert.deepEqual(shares(), { v1: 0, v2: 10_000 });
  assert.equal(judge.watches, 3, "each step by itself");
  await pass(1000);
  assert.equal(judge.closed, 3, "none is left");
  const history = await store.list(10);
  assert.deepEqual(
    history.map(({ by, message }) => `${by}: ${message}`),
    [
      "deployment: users v2 is deployed",
      "deployment: users v2 gets 100 % of requests",
      "deployment: users v2 gets 50 % of requests",
      "ann: deploy users v2 in steps of 10, 50, 100 %",
      "file: the policy file changed",
    ],
  );
  assert.equal(configuration.revision, 5);
});

test("a deployment waits for requests to judge by", async (t) => {
  const { controller, judge, deploy, pass, shares } = await setUp(t);
  judge.seen = { "users@v2": { requests: 19, failures: 0, meanMs: 10 } };
  await deploy();
  await pass(600_000);
  assert.deepEqual(shares(), { v1: 9000, v2: 1000 });
  assert.equal(controller.waitsFor("users"), "traffic: 19 of 20 requests to v2 in this step");
  judge.seen = { "users@v2": { requests: 20, failures: 0, meanMs: 10 } };
  await pass(0);
  assert.deepEqual(shares(), { v1: 5000, v2: 5000 });
});

for (const [what, seen, reason] of [
  [
    "fails",
    { "users@v1": WELL, "users@v2": { requests: 40, failures: 2, meanMs: 10 } },
    /^95\.0 % of 40 requests succeed, 100\.0 % with the old version; 99 % are wanted$/,
  ],
  [
    "is slow",
    { "users@v1": WELL, "users@v2": { requests: 40, failures: 0, meanMs: 26 } },
    /^requests take 26\.0 ms, 10\.0 ms with the old version; 2 times as long is allowed$/,
  ],
] as const) {
  test(`a deployment is rolled back at once when the new version ${what}`, async (t) => {
    const { configuration, judge, deploy, pass, shares, phase, log } = await setUp(t);
    judge.seen = seen;
    await deploy();
    await pass(1000);
    assert.equal(phase(), "rolled_back");
    assert.match(configuration.deployments["users"]!.reason, reason);
    assert.deepEqual(shares(), { v1: 10_000, v2: 0 });
    assert.ok(log.some((line) => line.startsWith("users v2 is rolled back: ")));
    await pass(600_000);
    assert.equal(phase(), "rolled_back");
  });
}

test("a deployment is not blamed for what the old version does as well", async (t) => {
  const { judge, deploy, pass, shares } = await setUp(t);
  const bad = { requests: 100, failures: 10, meanMs: 10 };
  judge.seen = { "users@v1": bad, "users@v2": bad };
  await deploy();
  await pass(60_000);
  assert.deepEqual(shares(), { v1: 5000, v2: 5000 });
});

test("a deployment can be paused, resumed and aborted", async (t) => {
  const { configuration, controller, judge, deploy, pass, shares, phase } = await setUp(t);
  judge.seen = { "users@v1": WELL, "users@v2": WELL };
  await deploy();
  await controller.pause("users", "bob");
  await pass(600_000);
  assert.deepEqual(shares(), { v1: 9000, v2: 1000 });
  await assert.rejects(deploy(), /to v2 is paused: abort it first/);
  await controller.resume("users", "bob");
  await pass(59_000);
  assert.deepEqual(shares(), { v1: 9000, v2: 1000 }, "the step begins anew");
  await pass(1000);
  assert.deepEqual(shares(), { v1: 5000, v2: 5000 });
  await controller.abort("users", "bob");
  assert.equal(phase(), "aborted");
  assert.equal(configuration.deployments["users"]!.reason, "by bob");
  assert.deepEqual(shares(), { v1: 10_000, v2: 0 });
  await assert.rejects(controller.pause("users", "bob"), /has ended: aborted/);
  await assert.rejects(controller.resume("users", "bob"), /is not paused/);
  await deploy();
  assert.equal(phase(), "running");
});

test("a deployment is refused when it cannot work", async (t) => {
  const { controller, deploy } = await setUp(t);
  await assert.rejects(
    deploy({ to: "v9" }),
    /No healthy instance of "users" has version v9 \(versions: v1, v2, v3\)/,
  );
  await assert.rejects(deploy({ to: "v3" }), /No healthy instance/);
  await assert.rejects(deploy({ service: "nobody" }), /No source knows a service "nobody"/);
  await assert.rejects(deploy({ to: "v1" }), /go to v1 already/);
  await assert.rejects(controller.abort("users", "bob"), /There is no deployment of "users"/);
});

test("a deployment stays when nobody can tell how it goes", async (t) => {
  const { controller, judge, deploy, pass, shares, log } = await setUp(t);
  judge.watch = () => ({ read: async () => Promise.reject(new Error("nobody answers")), close() {} });
  await deploy();
  await pass(600_000);
  await pass(1000);
  assert.deepEqual(shares(), { v1: 9000, v2: 1000 });
  assert.equal(controller.waitsFor("users"), "somebody to judge by: nobody answers");
  assert.equal(log.filter((line) => line.includes("cannot judge")).length, 1, "said once");
  judge.seen = {};
  await pass(0);
  assert.deepEqual(shares(), { v1: 9000, v2: 1000 });
  assert.ok(!log.some((line) => line.includes("rolled back")));
});

test("deployments go on after a restart, and two control planes do not go on twice", async (t) => {
  const file = path();
  const first = await setUp(t, file);
  first.judge.seen = { "users@v1": WELL, "users@v2": WELL };
  await first.deploy();
  const second = await setUp(t, file);
  second.judge.seen = first.judge.seen;
  assert.deepEqual(second.shares(), { v1: 9000, v2: 1000 });
  await Promise.all([first.pass(60_000), second.pass(60_000)]);
  assert.deepEqual(first.shares(), { v1: 5000, v2: 5000 });
  const stopping = new AbortController();
  const following = second.configuration.follow(stopping.signal);
  await waitUntil("the other follows", () => second.configuration.revision === first.configuration.revision);
  assert.deepEqual(second.shares(), { v1: 5000, v2: 5000 });
  assert.equal((await first.store.list(10)).length, 3);
  stopping.abort();
  await following;
});

test("a policy that says a new split ends the deployment; any other change does not", async (t) => {
  const { configuration, deploy, shares } = await setUp(t);
  await deploy();
  const other = "services: { users: { split: { v1: 1 }, timeout_ms: 5 } }";
  assert.deepEqual(configuration.preview(other).services["users"]?.split, { v1: 9000, v2: 1000 });
  await configuration.takePolicyFile(other, "mesh.yaml");
  assert.deepEqual(shares(), { v1: 9000, v2: 1000 });
  await configuration.takePolicyFile("services: { users: { split: { v1: 3, v2: 1 } } }", "mesh.yaml");
  assert.deepEqual(shares(), { v1: 3, v2: 1 });
  assert.deepEqual(configuration.deployments, {});
});

test("rolling back to a revision outlives a restart, until the policy file changes", async (t) => {
  const file = path();
  const { configuration, log } = await setUp(t, file, "connect_timeout_ms: 1\n");
  await configuration.takePolicyFile("connect_timeout_ms: 2\n", "mesh.yaml");
  assert.equal(configuration.policy.connect_timeout_ms, 2);
  await assert.rejects(configuration.rollBack(9, "ann"), /There is no revision 9/);
  assert.equal((await configuration.rollBack(1, "ann")).number, 3);
  assert.equal(configuration.policy.connect_timeout_ms, 1);
  const again = await setUp(t, file, "connect_timeout_ms: 2\n");
  assert.equal(again.configuration.policy.connect_timeout_ms, 1);
  assert.ok(again.log.some((line) => line.includes('not that of "mesh.yaml"')));
  await again.configuration.takePolicyFile("connect_timeout_ms: 3\n", "mesh.yaml");
  assert.equal(again.configuration.policy.connect_timeout_ms, 3);
  assert.ok(log.length > 0);
});

test("a revision that cannot be used does not keep the next one from being used", async (t) => {
  const file = path();
  const { configuration, log } = await setUp(t, file);
  const stopping = new AbortController();
  const following = configuration.follow(stopping.signal);
  const other = new SqliteRevisionStore({ path: file, pollMs: 10 });
  const draft = (policy: string) => ({ time: 0, by: "x", source: "x", message: "x", documents: { policy } });
  await other.append(1, draft("nonsense: true"));
  await waitUntil("it is told", () => log.some((line) => line.startsWith("revision 2 cannot be used")));
  const note = { by: "ann", source: "api", message: "nothing" };
  await assert.rejects(
    configuration.changeDeployments(note, () => ({})),
    /unknown field "nonsense"/,
  );
  assert.equal((await configuration.rollBack(1, "ann")).number, 3, "going back is the way out");
  await other.append(3, draft("nonsense: true"));
  await waitUntil("it is told", () => log.some((line) => line.startsWith("revision 4 cannot be used")));
  await other.append(4, draft("connect_timeout_ms: 7"));
  await waitUntil("the next one counts", () => configuration.policy.connect_timeout_ms === 7);
  await other.close();
  stopping.abort();
  await following;
});
