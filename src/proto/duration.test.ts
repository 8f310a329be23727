import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { durationMs, msDuration, parseDuration } from "./duration.ts";

test("durationMs() keeps fractions and takes a default", () => {
  assert.equal(durationMs(msDuration(1500.25)), 1500.25);
  assert.equal(durationMs(undefined, 15_000), 15_000);
  assert.equal(durationMs(undefined, undefined), undefined);
});

test("msDuration() gives both parts one sign and nanos below a second", () => {
  fc.assert(
    fc.property(fc.double({ min: -1e12, max: 1e12, noNaN: true }), (ms) => {
      const { seconds, nanos } = msDuration(ms);
      assert.ok(Math.abs(nanos) < 1e9);
      assert.ok(seconds === 0n || nanos === 0 || seconds > 0n === nanos > 0);
      assert.ok(Math.abs(durationMs(msDuration(ms)) - ms) <= 1e-3);
    }),
  );
  assert.throws(() => msDuration(Number.NaN), RangeError);
});

test("parseDuration() takes protobuf's JSON form only", () => {
  assert.deepEqual(parseDuration("1.5s"), { seconds: 1n, nanos: 500_000_000 });
  assert.deepEqual(parseDuration("-0.25s"), { seconds: 0n, nanos: -250_000_000 });
  assert.deepEqual(parseDuration("315576000000s"), { seconds: 315_576_000_000n, nanos: 0 });
  for (const text of ["", "5", "5ms", "1.s", ".5s", "1.0000000001s", "315576000001s", "1 s"])
    assert.equal(parseDuration(text), undefined, text);
});
