import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { endpointAddress, type Endpoint } from "../model.ts";
import { mergeParts, type MergeRule, type SourcePart } from "./source-merge.ts";
import { testEndpoint } from "../../testing/test-endpoint.ts";

function part(source: string, endpoints: Endpoint[], rule: Partial<MergeRule> = {}): SourcePart {
  return { source, rule: { priority: 0, share: 0, ...rule }, endpoints };
}

test("mergeParts() lets the first source speak for an address that several name", () => {
  const merged = mergeParts([
    part("a", [testEndpoint(1, { weight: 5 })]),
    part("b", [testEndpoint(1, { weight: 9 }), testEndpoint(2)]),
  ]);
  assert.deepEqual(
    merged.map(({ port, weight, source }) => [port, weight, source]),
    [
      [1, 5, "a"],
      [2, 1, "b"],
    ],
  );
});

test("mergeParts() gives endpoints the priority of their source", () => {
  const merged = mergeParts([
    part("near", [testEndpoint(1)]),
    part("far", [testEndpoint(2)], { priority: 1 }),
  ]);
  assert.deepEqual(
    merged.map(({ priority }) => priority),
    [0, 1],
  );
});

test("mergeParts() splits traffic by shares, within a priority, among those that can take it", () => {
  const merged = mergeParts([
    part("old", [testEndpoint(1), testEndpoint(2, { weight: 3 })], { share: 9 }),
    part("new", [testEndpoint(3), testEndpoint(4, { health: "unhealthy" })], { share: 1 }),
    part("other", [testEndpoint(5, { weight: 7 })], { priority: 1 }),
  ]);
  const weights = new Map(merged.map(({ port, weight }) => [port, weight]));
  assert.deepEqual([weights.get(1), weights.get(2), weights.get(3), weights.get(5)], [2250, 6750, 1000, 7]);
});

test("mergeParts() splits as told whatever the weights and numbers of endpoints", () => {
  const weight = fc.integer({ min: 1, max: 100 });
  const list = fc.array(weight, { minLength: 1, maxLength: 20 });
  const share = fc.integer({ min: 1, max: 100 });
  fc.assert(
    fc.property(list, list, share, share, (left, right, leftShare, rightShare) => {
      const merged = mergeParts([
        part(
          "left",
          left.map((each, i) => testEndpoint(1 + i, { weight: each })),
          { share: leftShare },
        ),
        part(
          "right",
          right.map((each, i) => testEndpoint(1001 + i, { weight: each })),
          { share: rightShare },
        ),
      ]);
      const total = (source: string) =>
        merged.filter((each) => each.source === source).reduce((sum, each) => sum + each.weight, 0);
      const wanted = leftShare / (leftShare + rightShare);
      const got = total("left") / (total("left") + total("right"));
      assert.ok(Math.abs(wanted - got) < 0.03, `wanted ${wanted}, got ${got}`);
      assert.equal(new Set(merged.map(endpointAddress)).size, left.length + right.length);
    }),
  );
});
