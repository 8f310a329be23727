import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SharedCounts, takeBack } from "./shared-counts.ts";

describe("takeBack()", () => {
  it("gives back what a thread had in use and keeps what others have and what happened", () => {
    const shared = new SharedArrayBuffer(16);
    const parts = [new SharedArrayBuffer(16), new SharedArrayBuffer(16)];
    const [first, second] = parts.map((own) => new SharedCounts(shared, own)) as [SharedCounts, SharedCounts];
    assert.equal(first.inc(0), 0);
    assert.equal(second.inc(0), 1);
    second.inc(0);
    second.dec(0);
    first.inc(1);
    first.event(2);
    takeBack(shared, parts[0]!);
    takeBack(shared, parts[0]!);
    assert.deepEqual([...new Int32Array(shared)], [1, 0, 1, 0]);
    assert.equal(second.get(0), 1);
  });
});
