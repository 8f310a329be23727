import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as lease from "./lease.ts";
import { isLive } from "./model.ts";
import type { Instance, InstanceId, InstanceSpec } from "./model.ts";
import { Refusal } from "./refusal.ts";

const id: InstanceId = { service: "users", ip: "10.0.0.1", port: 80 };
const defaults: InstanceSpec = {
  zone: "",
  region: "",
  weight: 1,
  version: "",
  metadata: {},
  health: "healthy",
  leaseSeconds: 30,
};

test("register() keeps a live instance's drain and what the client leaves out", () => {
  const first = lease.register(undefined, id, { weight: 5 }, defaults, 1000);
  assert.equal(first.state, "up");
  const drained = lease.drain(first, id, "deploy", 2000);
  const again = lease.register(drained, id, { version: "2" }, defaults, 3000);
  assert.equal(again.state, "draining");
  assert.equal(again.weight, 5);
  assert.equal(again.version, "2");
  assert.equal(again.expiresAt, 33_000);
});

test("register() of one that was gone starts anew and says what it was", () => {
  const gone = lease.deregister(lease.register(undefined, id, { weight: 5 }, defaults, 0), id, "bye", 10);
  const again = lease.register(gone, id, {}, defaults, 20);
  assert.equal(again.state, "up");
  assert.equal(again.weight, 1);
  assert.match(again.reason, /before it was deregistered: bye/);
});

test("expire() names both times and the lease", () => {
  const first = lease.register(undefined, id, {}, defaults, 0);
  assert.equal(lease.expire(first, 29_999), first);
  const expired = lease.expire(first, 30_000);
  assert.equal(
    expired.reason,
    "lease expired at 1970-01-01T00:00:30.000Z after last renewal 1970-01-01T00:00:00.000Z (lease 30 s)",
  );
});

test("renew() brings an expired one back as it was, and refuses a deregistered or unknown one", () => {
  const drained = lease.drain(lease.register(undefined, id, {}, defaults, 0), id, "deploy", 1);
  assert.equal(lease.renew(lease.expire(drained, 40_000), id, 41_000).state, "draining");
  const gone = lease.deregister(drained, id, "bye", 2);
  assert.throws(() => lease.renew(gone, id, 3), isRefusal(409));
  assert.throws(() => lease.renew(undefined, id, 3), isRefusal(404));
});

test("isRenewal() is true only when nothing but the lease's times moved", () => {
  const first = lease.register(undefined, id, { metadata: { a: 1 } }, defaults, 0);
  assert.equal(lease.isRenewal(first, lease.renew(first, id, 5)), true);
  assert.equal(lease.isRenewal(first, lease.register(first, id, { metadata: { a: 1 } }, defaults, 5)), true);
  assert.equal(lease.isRenewal(first, lease.register(first, id, { metadata: { a: 2 } }, defaults, 5)), false);
  assert.equal(lease.isRenewal(first, lease.setWeight(first, id, 9)), false);
});

const step = fc.oneof(
  fc.record({
    kind: fc.constantFrom("register", "renew", "drain", "undrain", "deregister", "expire", "grace"),
  }),
  fc.record({ kind: fc.constant("weight" as const), weight: fc.integer({ min: 1, max: 100 }) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
);

test("the lease's state machine keeps its promises under any sequence of events", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let now = 1000;
      let current: Instance | undefined;
      for (const next of steps) {
        const before = current;
        try {
          if (next.kind === "wait") now += next.ms;
          else if (next.kind === "weight") current = lease.setWeight(current, id, next.weight);
          else current = apply(next.kind, current, now);
        } catch (error) {
          assert.ok(error instanceof Refusal);
          assert.equal(current, before, "a refused event changes nothing");
        }
        check(before, current, next.kind, now);
      }
    }),
  );
});

function apply(kind: string, current: Instance | undefined, now: number): Instance | undefined {
  switch (kind) {
    case "register":
      return lease.register(current, id, {}, defaults, now);
    case "renew":
      return lease.renew(current, id, now);
    case "drain":
      return lease.drain(current, id, "deploy", now);
    case "undrain":
      return lease.undrain(current, id, now);
    case "deregister":
      return lease.deregister(current, id, "bye", now);
    case "grace":
      return current && lease.grantGrace(current, now);
    default:
      return current && lease.expire(current, now);
  }
}

function check(before: Instance | undefined, after: Instance | undefined, kind: string, now: number): void {
  if (after === undefined) return assert.equal(before, undefined, "only the sweep removes records");
  assert.ok(after.reason.length > 0);
  assert.ok(after.renewedAt <= now && after.changedAt <= now);
  assert.ok(after.expiresAt >= after.renewedAt);
  if (isLive(after)) assert.equal(after.state === "draining", after.drained);
  if (kind === "register" || kind === "renew") {
    if (before !== after) assert.equal(after.expiresAt, now + 30_000);
  }
  if (kind === "expire") assert.ok(!isLive(after) || after.expiresAt > now);
  if (kind === "grace" && isLive(after)) assert.ok(after.expiresAt >= now + 30_000);
  if (before?.state !== after.state) assert.equal(after.changedAt, now, "a change of state has its time");
  if (before?.state === "deregistered" && after.state !== "deregistered") assert.equal(kind, "register");
  if (after.state === "expired" && before?.state !== "expired") assert.equal(kind, "expire");
}

function isRefusal(status: number): (error: unknown) => boolean {
  return (error) => error instanceof Refusal && error.status === status;
}
