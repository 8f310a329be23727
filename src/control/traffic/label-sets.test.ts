import assert from "node:assert/strict";
import { test } from "node:test";
import { LabelSets } from "./label-sets.ts";

const HOUR = 3_600_000;

function counts(limit: number) {
  const sets = new LabelSets(limit, () => ({ value: 0 }));
  const add = (service: string, result: string, now = 0) =>
    sets.of({ service, result }, ["result"], now).value++;
  const all = () =>
    Array.from(sets, ([{ service, result }, { value }]) => `${service} ${result} ${value}`).sort();
  return { sets, add, all };
}

test("LabelSets keeps so many sets, and puts the rest together without their unbounded labels", () => {
  const { sets, add, all } = counts(2);
  for (const service of ["a", "b", "c", "d", "a"]) add(service, "ok");
  add("e", "bad");
  assert.deepEqual(all(), ["a ok 2", "b ok 1", "other bad 1", "other ok 2"]);
  assert.equal(sets.folded, 3);
});

test("LabelSets lets sets go that were not used for an hour, when there is no room", () => {
  const { add, all } = counts(2);
  add("a", "ok", 0);
  add("b", "ok", HOUR);
  add("c", "ok", HOUR + 1);
  assert.deepEqual(all(), ["b ok 1", "c ok 1"]);
});

test("LabelSets keeps label values short", () => {
  const { sets, add } = counts(2);
  add("x".repeat(1000), "ok");
  const [[labels]] = [...sets] as [[Record<string, string>, unknown]];
  assert.equal(labels["service"]!.length, 128);
});
