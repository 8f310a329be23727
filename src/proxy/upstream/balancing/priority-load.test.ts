import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { priorityLoads } from "./priority-load.ts";

function level(healthy: number, total: number, degraded = 0) {
  return { healthy, total, degraded };
}

/** "healthy/degraded" per priority, "!" for panic. */
function shares(levels: ReturnType<typeof level>[], overprovisioning = 140, threshold = 50): string {
  return priorityLoads(levels, overprovisioning, threshold)
    .map((load) => `${load.healthy}/${load.degraded}${load.panic ? "!" : ""}`)
    .join(" ");
}

describe("priorityLoads()", () => {
  it("gives all to the first priority while it is healthy enough", () => {
    assert.equal(shares([level(2, 2), level(2, 2)]), "100/0 0/0");
    assert.equal(shares([level(5, 7), level(2, 2)]), "100/0 0/0");
  });

  it("spills over as Envoy was seen to: 70/30 with a half, 46/54 with a third", () => {
    assert.equal(shares([level(1, 2), level(2, 2)]), "70/0 30/0");
    assert.equal(shares([level(1, 3), level(2, 2)]), "46/0 54/0");
    assert.equal(shares([level(0, 2), level(2, 2)]), "0/0 100/0");
  });

  it("normalises when there is too little of everything", () => {
    assert.equal(shares([level(1, 5), level(1, 5)]), "50/0! 50/0!");
    assert.equal(shares([level(1, 5), level(1, 5)], 140, 0), "50/0 50/0");
    assert.equal(shares([level(3, 10), level(1, 10)], 140, 0), "75/0 25/0");
  });

  it("uses degraded hosts as healthy ones run out", () => {
    assert.equal(shares([level(1, 1), level(0, 1, 1)]), "100/0 0/0");
    assert.equal(shares([level(1, 2, 1)]), "70/30");
    assert.equal(shares([level(0, 3, 3)]), "0/100");
    assert.equal(shares([level(0, 2), level(0, 2, 2)]), "0/0 0/100");
  });

  it("panics below the threshold, by the number of hosts when all priorities do", () => {
    assert.equal(shares([level(0, 3)]), "100/0!");
    assert.equal(shares([level(0, 3), level(0, 1)]), "75/0! 25/0!");
    assert.equal(shares([level(0, 3)], 140, 0), "100/0");
    assert.equal(shares([level(0, 0), level(0, 0)]), "100/0! 0/0!");
    assert.equal(shares([level(1, 5), level(3, 5)]), "28/0 72/0");
  });

  it("always sums up to 100 and takes nothing from healthy hosts in vain", () => {
    const anyLevel = fc
      .tuple(fc.nat(20), fc.nat(20), fc.nat(20))
      .map(([healthy, degraded, failed]) => level(healthy, healthy + degraded + failed, degraded));
    fc.assert(
      fc.property(
        fc.array(anyLevel, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 100, max: 300 }),
        fc.integer({ min: 0, max: 100 }),
        (levels, overprovisioning, threshold) => {
          const loads = priorityLoads(levels, overprovisioning, threshold);
          const total = loads.reduce((sum, load) => sum + load.healthy + load.degraded, 0);
          assert.equal(total, 100);
          for (const [i, load] of loads.entries()) {
            assert.ok(load.healthy >= 0 && load.degraded >= 0);
            if (load.panic || threshold === 0) continue;
            if (load.healthy > 0) assert.ok(levels[i]!.healthy > 0);
            if (load.degraded > 0) assert.ok(levels[i]!.degraded > 0);
          }
        },
      ),
    );
  });
});
