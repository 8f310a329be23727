import assert from "node:assert/strict";
import { setImmediate as immediate } from "node:timers/promises";
import { test } from "node:test";
import { TurnClock } from "./turn-clock.ts";
import { WriteTurn } from "./write-turn.ts";

function recorder() {
  const events: string[] = [];
  return {
    events,
    flushable: (name: string) => ({ flush: () => void events.push(`flush ${name}`) }),
    deferred: (name: string) => ({ runDeferred: () => void events.push(`run ${name}`) }),
  };
}

test("WriteTurn flushes at the outermost end, then runs what was deferred", () => {
  const { events, flushable, deferred } = recorder();
  const turn = new WriteTurn();
  turn.begin();
  turn.defer(deferred("a"));
  turn.add(flushable("x"));
  turn.begin();
  turn.end();
  assert.deepEqual(events, []);
  turn.end();
  assert.deepEqual(events, ["flush x", "run a"]);
});

test("WriteTurn handles work from outside a turn by an immediate", async () => {
  const { events, flushable, deferred } = recorder();
  const turn = new WriteTurn();
  turn.add(flushable("x"));
  turn.defer(deferred("a"));
  assert.deepEqual(events, []);
  await immediate();
  assert.deepEqual(events, ["flush x", "run a"]);
});

test("WriteTurn lets gathered connections wait for other turns", async () => {
  const { events, flushable } = recorder();
  const turn = new WriteTurn();
  turn.begin();
  turn.gather(flushable("shared"));
  turn.add(flushable("x"));
  turn.end();
  turn.begin();
  turn.add(flushable("y"));
  turn.end();
  assert.deepEqual(events, ["flush x", "flush y"]);
  await immediate();
  assert.deepEqual(events, ["flush x", "flush y", "flush shared"]);
});

test("TurnClock stands still within a turn and moves between turns", () => {
  const turn = new WriteTurn();
  const clock = new TurnClock(turn);
  turn.begin();
  const first = clock.now();
  const until = performance.now() + 2;
  while (performance.now() < until);
  assert.equal(clock.now(), first);
  turn.end();
  turn.begin();
  assert.ok(clock.now() >= first + 2);
  turn.end();
  assert.ok(Math.abs(clock.wall() - Date.now()) < 1000);
});
