import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pathOf, textWithPath, within } from "./within.ts";

function failure(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing failed");
}

describe("within()", () => {
  it("returns what the work returns", () => {
    assert.equal(
      within(["a"], () => 1),
      1,
    );
  });

  it("notes where an Error happened, from the outside in", () => {
    const cause = new Error("no good");
    const error = failure(() =>
      within(["a", 1], () =>
        within(["b", { key: "x.y" }], () => {
          throw cause;
        }),
      ),
    );
    assert.equal(error, cause);
    assert.deepEqual(pathOf(error), ["a", 1, "b", { key: "x.y" }]);
    assert.equal(textWithPath(error), 'no good (at a[1].b["x.y"])');
  });

  it("adds nothing to Errors from elsewhere", () => {
    assert.equal(textWithPath(new Error("no good")), "no good");
  });
});
