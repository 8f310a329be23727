import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EdfScheduler } from "./edf-scheduler.ts";

function take(scheduler: EdfScheduler, weights: readonly number[], count: number): number[] {
  return Array.from({ length: count }, () => {
    const entry = scheduler.peek();
    scheduler.advance(weights[entry]!);
    return entry;
  });
}

describe("EdfScheduler", () => {
  it("repeats 2 3 3 2 3 1 for weights 1, 2 and 3, from any phase", () => {
    const weights = [1, 2, 3];
    for (const phase of [0, 0.2, 0.4, 0.6, 0.8, 0.999]) {
      const picks = take(new EdfScheduler(weights, phase), weights, 18);
      const text = picks.map((entry) => entry + 1).join("");
      assert.ok("233231".repeat(5).includes(text), `${phase}: ${text}`);
    }
  });

  it("begins elsewhere for another phase", () => {
    const weights = [1, 2, 3];
    const starts = new Set(
      [0, 0.2, 0.4, 0.6, 0.8].map((phase) => take(new EdfScheduler(weights, phase), weights, 6).join("")),
    );
    assert.ok(starts.size > 3);
  });

  it("leaves out what weighs nothing", () => {
    const scheduler = new EdfScheduler([0, 2, 0], 0.5);
    assert.equal(scheduler.size, 1);
    assert.equal(scheduler.peek(), 1);
    assert.equal(new EdfScheduler([], 0.5).peek(), -1);
  });

  it("picks each entry as often as its weight says, and never far from its share", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (weights, phase) => {
          const sum = weights.reduce((total, weight) => total + weight, 0);
          const scheduler = new EdfScheduler(weights, phase);
          const counts = weights.map(() => 0);
          const picks = take(scheduler, weights, sum * 2);
          for (const [i, entry] of picks.entries()) {
            counts[entry]!++;
            for (const [other, weight] of weights.entries())
              assert.ok(Math.abs(counts[other]! - ((i + 1) * weight) / sum) <= 1 + weights.length);
          }
          // Rounding of deadlines may move one pick over the end of a round.
          for (const [entry, weight] of weights.entries())
            assert.ok(Math.abs(counts[entry]! - 2 * weight) <= 1);
        },
      ),
      { numRuns: 50 },
    );
  });
});
