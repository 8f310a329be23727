import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { FakeClock } from "../base/fake-clock.ts";
import type { Instance, InstanceId } from "./model.ts";
import { Registry } from "./registry.ts";
import { SqliteStore } from "./sqlite-store.ts";

const id: InstanceId = { service: "users", ip: "10.0.0.1", port: 80 };

interface Rig {
  clock: FakeClock;
  registry: Registry;
  expired: Instance[];
  pauses: number[];
}

async function rig(context: TestContext): Promise<Rig> {
  const clock = new FakeClock();
  const store = new SqliteStore({ path: ":memory:" });
  const expired: Instance[] = [];
  const pauses: number[] = [];
  const times = { defaultLeaseSeconds: 30, retentionMs: 600_000 };
  const registry = new Registry(store, clock, times, {
    onExpired: (instance) => expired.push(instance),
    onPause: (ms) => pauses.push(ms),
    onError: (error) => assert.fail(error),
  });
  await registry.start();
  context.after(async () => {
    registry.stop();
    await store.close();
  });
  return { clock, registry, expired, pauses };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(clock: FakeClock, ms: number, stepMs = 250): Promise<void> {
  for (let at = 0; at < ms; at += stepMs) {
    clock.advance(stepMs);
    await settle();
  }
}

test("Registry expires an unrenewed lease in time, keeps the record, and forgets it after the retention", async (context) => {
  const { clock, registry, expired } = await rig(context);
  await registry.register(id, {});
  await pass(clock, 20_000, 1000);
  await registry.renew(id);
  await pass(clock, 29_000, 1000);
  assert.equal((await registry.get(id)).state, "up");
  await pass(clock, 1500);
  assert.equal((await registry.get(id)).state, "expired");
  assert.equal(expired.length, 1);
  await pass(clock, 598_000, 2000);
  assert.equal((await registry.get(id)).state, "expired");
  await pass(clock, 4000, 1000);
  await assert.rejects(registry.get(id), /not registered/);
  assert.deepEqual(await registry.store.list("users"), [], "the service stays known");
});

test("Registry that was asleep gives every lease a full period instead of ending it", async (context) => {
  const { clock, registry, expired, pauses } = await rig(context);
  await registry.register(id, {});
  await pass(clock, 1000);
  // One jump of the clock with one timer due in it: what a stopped process sees when it goes on.
  clock.advance(300);
  clock.advance(45_000 - 300);
  await settle();
  await pass(clock, 29_000, 1000);
  assert.equal(pauses.length, 1);
  assert.equal(expired.length, 0);
  await pass(clock, 2000);
  assert.equal(expired.length, 1);
});

test("Registry.start() gives leases that ended while it was away a full period", async () => {
  const store = new SqliteStore({ path: ":memory:" });
  const events = {
    onExpired: () => assert.fail("expired"),
    onPause: () => {},
    onError: (e: Error) => assert.fail(e),
  };
  const times = { defaultLeaseSeconds: 30, retentionMs: 600_000 };
  await new Registry(store, new FakeClock(0), times, events).register(id, {});
  const later = new Registry(store, new FakeClock(3_600_000), times, events);
  const { revision } = store;
  await later.start();
  await later.sweep();
  assert.equal((await later.get(id)).expiresAt, 3_630_000);
  assert.equal(store.revision, revision, "watchers see no change");
  later.stop();
  await store.close();
});
