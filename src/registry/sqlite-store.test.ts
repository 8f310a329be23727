import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as lease from "./lease.ts";
import type { Instance, InstanceId, InstanceSpec } from "./model.ts";
import fc from "fast-check";
import { instanceKey } from "./model.ts";
import { Refusal } from "./refusal.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { watch } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-sqlite-store-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const defaults: InstanceSpec = {
  zone: "z",
  region: "",
  weight: 1,
  version: "",
  metadata: {},
  health: "healthy",
  leaseSeconds: 30,
};
const a: InstanceId = { service: "users", ip: "10.0.0.1", port: 80 };
const b: InstanceId = { service: "users", ip: "10.0.0.1", port: 81 };

function put(
  store: SqliteStore,
  id: InstanceId,
  given: Partial<InstanceSpec> = {},
): Promise<Instance | undefined> {
  return store.update(id, (current) => lease.register(current, id, given, defaults, 1000));
}

test("SqliteStore keeps what was acknowledged over a restart, with its revision", async () => {
  const path = join(folder, "a.db");
  let store = new SqliteStore({ path });
  await Promise.all([put(store, a), put(store, b, { weight: 7 })]);
  await store.update(a, (current) => lease.drain(current, a, "deploy", 2000));
  const { revision } = store;
  await store.close();
  store = new SqliteStore({ path });
  assert.equal(store.revision, revision);
  assert.equal((await store.get(a))?.state, "draining");
  assert.equal((await store.get(b))?.weight, 7);
  assert.deepEqual(await store.services(), ["users"]);
  await store.close();
});

test("SqliteStore writes renewals late, without a revision, and keeps them at a clean stop", async () => {
  const path = join(folder, "b.db");
  let store = new SqliteStore({ path });
  await put(store, a);
  const { revision } = store;
  await store.update(a, (current) => lease.renew(current, a, 9000));
  assert.equal(store.revision, revision);
  assert.equal((await store.get(a))?.renewedAt, 9000);
  await store.close();
  store = new SqliteStore({ path });
  assert.equal((await store.get(a))?.renewedAt, 9000);
  await store.close();
});

test("SqliteStore tells an unknown service from one without instances, and forgets on request only", async () => {
  const store = new SqliteStore({ path: ":memory:" });
  assert.equal(await store.list("users"), undefined);
  await put(store, a);
  await assert.rejects(store.forget("users"), (error) => error instanceof Refusal && error.status === 409);
  await store.update(a, () => undefined);
  assert.deepEqual(await store.list("users"), []);
  assert.equal(await store.forget("users"), true);
  assert.equal(await store.forget("users"), false);
  assert.equal(await store.list("users"), undefined);
  await store.close();
});

test("SqliteStore runs the updates of one turn on top of each other; a refused one spoils none", async () => {
  const store = new SqliteStore({ path: ":memory:" });
  const results = await Promise.allSettled([
    put(store, a),
    store.update(a, (current) => lease.setWeight(current, a, 5)),
    store.update(b, (current) => lease.renew(current, b, 1)),
    store.update(a, (current) => lease.drain(current, a, "deploy", 2000)),
  ]);
  assert.deepEqual(
    results.map((result) => result.status),
    ["fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
  const stored = await store.get(a);
  assert.equal(stored?.weight, 5);
  assert.equal(stored?.state, "draining");
  await store.close();
});

test("SqliteStore.next() gives missed changes in order, everything when the history is gone", async () => {
  const store = new SqliteStore({ path: ":memory:", logCapacity: 4 });
  const start = store.revision;
  await put(store, a);
  await put(store, b);
  const signal = AbortSignal.timeout(2000);
  const batch = await store.next(start, signal);
  assert.deepEqual(
    batch?.changes.map((change) => change.revision),
    [start + 1, start + 2],
  );
  assert.equal(batch?.reset, false);
  for (let weight = 2; weight < 12; weight++) {
    await store.update(a, (current) => lease.setWeight(current, a, weight));
  }
  const reset = await store.next(start, signal);
  assert.equal(reset?.reset, true);
  assert.deepEqual(reset?.services, ["users"]);
  assert.equal(reset?.changes.length, 2);
  assert.equal((await store.next(store.revision + 100, signal))?.reset, true, "an index of another store");
  await store.close();
});

test("watch() waits, goes on, and ends with its signal", async () => {
  const store = new SqliteStore({ path: ":memory:" });
  const first = store.revision;
  const stop = new AbortController();
  const seen: number[] = [];
  const done = (async () => {
    for await (const batch of watch(store, store.revision, stop.signal)) {
      for (const change of batch.changes) seen.push(change.revision - first);
      if (seen.length === 2) stop.abort();
    }
  })();
  await put(store, a);
  await put(store, b);
  await done;
  assert.deepEqual(seen, [1, 2]);
  assert.equal(store.watchers, 0);
  await store.close();
});

test("SqliteStore that cannot write refuses with 503, and stays as it was", async () => {
  const store = new SqliteStore({ path: ":memory:" });
  await put(store, a);
  const { revision } = store;
  store.database.exec("PRAGMA query_only = 1");
  const refused = (error: unknown) => error instanceof Refusal && error.status === 503;
  await assert.rejects(put(store, a, { weight: 9 }), refused);
  await assert.rejects(put(store, b), refused);
  assert.equal((await store.get(a))?.weight, 1);
  assert.equal(await store.get(b), undefined);
  assert.equal(store.revision, revision);
  store.database.exec("PRAGMA query_only = 0");
  await put(store, b);
  assert.equal(store.revision, revision + 1);
  await store.close();
});

const action = fc.record({
  port: fc.integer({ min: 1, max: 4 }),
  service: fc.constantFrom("x", "y"),
  kind: fc.constantFrom("put", "weight", "drain", "deregister", "renew", "remove", "forget"),
  weight: fc.integer({ min: 1, max: 3 }),
  /** Whether to wait for it before the next. */
  wait: fc.boolean(),
});

test("SqliteStore: whoever follows its changes ends with what it holds, and so does a restart", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const path = join(folder, `model-${run++}.db`);
      const store = new SqliteStore({ path, logCapacity: 8 });
      const stop = new AbortController();
      const mirror = new Map<string, Instance>();
      const following = follow(store, mirror, stop.signal);
      let last: Promise<unknown> = Promise.resolve();
      for (const one of actions) {
        last = act(store, one).catch((error: unknown) => assert.ok(error instanceof Refusal));
        if (one.wait) await last;
      }
      await last;
      const held = (await store.all()).map(essence).toSorted();
      await new Promise((resolve) => setImmediate(resolve));
      stop.abort();
      await following;
      assert.deepEqual([...mirror.values()].map(essence).toSorted(), held);
      await store.close();
      const again = new SqliteStore({ path });
      assert.deepEqual((await again.all()).map(essence).toSorted(), held);
      await again.close();
    }),
    { numRuns: 40 },
  );
});

function act(
  store: SqliteStore,
  one: { port: number; service: string; kind: string; weight: number },
): Promise<unknown> {
  const id = { service: one.service, ip: "10.0.0.1", port: one.port };
  if (one.kind === "forget") return store.forget(one.service);
  return store.update(id, (current) => {
    if (one.kind === "put") return lease.register(current, id, { weight: one.weight }, defaults, 1000);
    if (one.kind === "weight") return lease.setWeight(current, id, one.weight);
    if (one.kind === "drain") return lease.drain(current, id, "deploy", 2000);
    if (one.kind === "deregister") return lease.deregister(current, id, "bye", 3000);
    if (one.kind === "renew") return lease.renew(current, id, 4000);
    return undefined;
  });
}

async function follow(store: SqliteStore, mirror: Map<string, Instance>, signal: AbortSignal): Promise<void> {
  for await (const batch of watch(store, 0, signal)) {
    if (batch.reset) mirror.clear();
    for (const change of batch.changes) {
      if (change.type === "put") mirror.set(instanceKey(change.instance), change.instance);
      else if (change.type === "removed") mirror.delete(instanceKey(change.id));
      else for (const [key, one] of mirror) if (one.service === change.service) mirror.delete(key);
    }
  }
}

/** Without the lease's times, which make no change. */
function essence(instance: Instance): string {
  return JSON.stringify([instanceKey(instance), instance.state, instance.weight, instance.revision]);
}
