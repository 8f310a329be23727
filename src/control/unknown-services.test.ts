import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../base/fake-clock.ts";
import { loadPolicy } from "./policy/load-policy.ts";
import { UnknownServices } from "./unknown-services.ts";

const policy = loadPolicy(
  "edge: { routes: [{ prefix: /users, service: users }, { prefix: /, service: web }] }",
  "mesh policy",
);

test("UnknownServices tells once of each service that stays unknown for ten seconds", () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const unknown = new UnknownServices(clock, { info() {}, warn: (text) => told.push(text) });
  unknown.look(policy, new Map());
  clock.advance(9000);
  unknown.look(policy, new Map([["users", []]]));
  clock.advance(20_000);
  unknown.look(policy, new Map([["users", []]]));
  clock.advance(20_000);
  assert.deepEqual(told, ['route / goes to service "web", which no source knows']);
  // What was known and is forgotten counts anew.
  unknown.look(policy, new Map([["web", []]]));
  clock.advance(9000);
  assert.equal(told.length, 1);
  clock.advance(1000);
  assert.equal(told[1], 'route /users goes to service "users", which no source knows');
  unknown.look(policy, new Map());
  unknown.close();
  clock.advance(20_000);
  assert.equal(told.length, 2);
});
