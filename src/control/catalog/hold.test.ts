import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { defaultHoldOptions, SourceState } from "./hold.ts";
import type { Endpoint, Reading } from "../model.ts";

function endpoint(port: number): Endpoint {
  return {
    ip: "10.0.0.1",
    port,
    weight: 1,
    region: "",
    zone: "",
    version: "",
    health: "healthy",
    metadata: {},
  };
}

function reading(services: Record<string, number[]>, confirmed: string[] = []): Reading {
  return {
    kind: "ok",
    services: new Map(
      Object.entries(services).map(([name, ports]) => [
        name,
        { endpoints: ports.map(endpoint), confirmed: confirmed.includes(name) },
      ]),
    ),
  };
}

const ports = (state: SourceState, service: string) => state.services.get(service)?.map((e) => e.port);

test("SourceState.apply() passes on additions and small losses", () => {
  const state = new SourceState("s");
  assert.equal(state.apply(reading({ users: [1, 2] }), 1).changed.size, 1);
  assert.equal(state.apply(reading({ users: [2, 3] }), 2).changed.size, 1);
  assert.deepEqual(ports(state, "users"), [2, 3]);
  assert.equal(state.holds.length, 0);
  assert.equal(state.apply(reading({ users: [3, 2] }), 3).changed.size, 0, "order does not matter");
});

test("SourceState.apply() keeps endpoints when the source fails, empties or forgets a service", () => {
  const state = new SourceState("s");
  state.apply(reading({ users: [1, 2], orders: [5] }), 1);
  assert.equal(state.apply({ kind: "error", error: "ECONNREFUSED" }, 2).changed.size, 0);
  assert.equal(state.health.error, "ECONNREFUSED");
  assert.equal(state.apply(reading({ users: [] }), 3).changed.size, 0);
  assert.deepEqual(ports(state, "users"), [1, 2]);
  assert.deepEqual(ports(state, "orders"), [5]);
  assert.deepEqual(
    state.holds.map((h) => h.reason),
    ["all endpoints vanished at once", "the service vanished from its source"],
  );
  state.apply(reading({ users: [1], orders: [5] }), 4);
  assert.equal(state.holds.length, 0);
  assert.deepEqual(ports(state, "users"), [1]);
});

test("SourceState.apply() believes a confirmed loss and keeps the empty service known", () => {
  const state = new SourceState("s");
  state.apply(reading({ users: [1, 2] }), 1);
  assert.equal(state.apply(reading({ users: [] }, ["users"]), 2).changed.size, 1);
  assert.deepEqual(ports(state, "users"), []);
});

test("SourceState.apply() holds a large loss and adds what is new meanwhile", () => {
  const state = new SourceState("s", () => ({ ...defaultHoldOptions, partialHoldMs: 1000 }));
  state.apply(reading({ users: [1, 2, 3, 4] }), 0);
  state.apply(reading({ users: [1, 9] }), 10);
  assert.deepEqual(ports(state, "users"), [1, 2, 3, 4, 9]);
  assert.equal(state.expire(500).changed.size, 0);
  assert.equal(state.expire(1010).changed.size, 1);
  assert.deepEqual(ports(state, "users"), [1, 9]);
});

test("SourceState.apply() forgets a deleted service at once and an empty one after a while", () => {
  const state = new SourceState("s");
  state.apply(reading({ users: [1], orders: [], web: [2] }), 1);
  state.apply({ kind: "ok", services: new Map(), deleted: new Set(["users"]) }, 2);
  assert.deepEqual([...state.services.keys()], ["orders", "web"]);
  assert.equal(state.expire(2 + defaultHoldOptions.forgetMs).changed.size, 1);
  assert.deepEqual([...state.services.keys()], ["web"]);
});

test("SourceState.release() believes the source about one service", () => {
  const state = new SourceState("s");
  state.apply(reading({ users: [1, 2] }), 1);
  const { begun } = state.apply(reading({ users: [] }), 2);
  assert.equal(begun[0]!.until, Number.POSITIVE_INFINITY);
  assert.equal(state.release("orders"), undefined);
  assert.equal(state.release("users")!.ended.length, 1);
  assert.deepEqual(ports(state, "users"), []);
  assert.equal(state.apply(reading({ users: [] }), 3).changed.size, 0);
});

test("SourceState never empties a service without confirmation", () => {
  const step = fc.record({
    ports: fc.array(fc.integer({ min: 1, max: 6 })),
    confirmed: fc.boolean(),
    known: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const state = new SourceState("s");
      let had = 0;
      steps.forEach(({ ports: list, confirmed, known }, i) => {
        state.apply(
          known ? reading({ users: [...new Set(list)] }, confirmed ? ["users"] : []) : reading({}),
          i + 1,
        );
        const now = ports(state, "users")?.length ?? 0;
        if (had > 0 && now === 0) assert.ok(known && confirmed);
        had = now;
      });
    }),
  );
});

test("SourceState.apply() keeps endpoints that may be behind instances that make no sense", () => {
  const state = new SourceState("s");
  state.apply(reading({ users: [1, 2] }), 1);
  const users = { endpoints: [endpoint(2), endpoint(3)], confirmed: true, unreadable: 1 };
  const change = state.apply({ kind: "ok", services: new Map([["users", users]]) }, 2);
  assert.deepEqual(ports(state, "users"), [1, 2, 3]);
  assert.match(change.begun[0]!.reason, /1 of 2 endpoints vanished, and 1 instances make no sense/);
  state.expire(2 + defaultHoldOptions.partialHoldMs);
  assert.deepEqual(ports(state, "users"), [2, 3]);
  state.apply({ kind: "ok", services: new Map([["users", users]]) }, 3);
  assert.equal(state.holds.length, 0, "what is known is there");
});

test("SourceState.apply() tells what could not be read of a source that was", () => {
  const state = new SourceState("s");
  state.apply({ kind: "ok", services: new Map(), incomplete: "users: HTTP 500" }, 5);
  assert.deepEqual(state.health, { lastAttempt: 5, lastSuccess: 5, error: "users: HTTP 500" });
});

test("SourceState.apply() holds each service by bounds of its own", () => {
  const state = new SourceState("s", (service) =>
    service === "batch" ? { ...defaultHoldOptions, maxHoldMs: 0 } : defaultHoldOptions,
  );
  state.apply(reading({ users: [1], batch: [2] }), 1);
  state.apply(reading({ users: [], batch: [] }), 2);
  assert.deepEqual(ports(state, "users"), [1]);
  assert.deepEqual(ports(state, "batch"), [], "believed at once");
  state.apply(reading({ batch: [3] }), 3);
  state.apply(reading({}), 4);
  assert.deepEqual([...state.services.keys()], ["users"]);
});
