import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "./fake-clock.ts";
import { Timer, TimerWheel } from "./timer-wheel.ts";

function probe(clock: FakeClock) {
  const fired: { kind: number; at: number }[] = [];
  return { fired, owner: { onTimer: (kind: number) => void fired.push({ kind, at: clock.now() }) } };
}

test("TimerWheel.arm() fires once, at the deadline or up to two ticks later", () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock, 5);
  const { fired, owner } = probe(clock);
  wheel.arm(new Timer(owner, 7), 42);
  clock.advance(41);
  assert.equal(fired.length, 0);
  clock.advance(10);
  assert.deepEqual(
    fired.map((f) => f.kind),
    [7],
  );
  clock.advance(100_000);
  assert.equal(fired.length, 1);
});

test("TimerWheel.arm() moves an armed timer in both directions", () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock, 5);
  const { fired, owner } = probe(clock);
  const timer = new Timer(owner);
  wheel.arm(timer, 100);
  wheel.arm(timer, 10_000);
  clock.advance(9_000);
  assert.equal(fired.length, 0);
  wheel.arm(timer, 50);
  clock.advance(60);
  assert.equal(fired.length, 1);
});

test("TimerWheel fires every timer never early and at most two ticks late", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.integer({ min: 0, max: 60_000 }), fc.boolean(), fc.integer({ min: 0, max: 9_000 })),
        { maxLength: 60 },
      ),
      (plan) => {
        const clock = new FakeClock();
        const wheel = new TimerWheel(clock, 5);
        const { fired, owner } = probe(clock);
        const due = new Map<number, number>();
        plan.forEach(([ms, disarm, pause], kind) => {
          const timer = new Timer(owner, kind);
          wheel.arm(timer, ms);
          if (disarm) wheel.disarm(timer);
          else due.set(kind, clock.now() + ms);
          clock.advance(pause);
        });
        clock.advance(70_000);
        assert.equal(fired.length, due.size);
        for (const { kind, at } of fired) {
          assert.ok(
            at >= due.get(kind)! && at <= due.get(kind)! + 10,
            `timer ${kind} due ${due.get(kind)} fired ${at}`,
          );
        }
        assert.equal(wheel.size, 0);
      },
    ),
  );
});
