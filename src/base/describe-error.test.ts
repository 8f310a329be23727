import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { describeError } from "./describe-error.ts";

test("files: what could not be done with which, and why", () => {
  const words = (action: () => unknown): string => {
    try {
      action();
    } catch (error) {
      return describeError(error);
    }
    return "";
  };
  assert.equal(
    words(() => readFileSync("/absent/a.yaml")),
    'Cannot open "/absent/a.yaml": no such file or directory',
  );
  assert.equal(
    words(() => readdirSync("/absent")),
    'Cannot read "/absent": no such file or directory',
  );
  assert.equal(
    words(() => readFileSync("/")),
    "Cannot read a file: illegal operation on a directory",
  );
});

test("network errors without a message: the code", () => {
  assert.equal(
    describeError(Object.assign(new AggregateError([]), { code: "ECONNREFUSED" })),
    "ECONNREFUSED",
  );
  assert.equal(
    describeError(new Error("connect ECONNREFUSED 127.0.0.1:1")),
    "connect ECONNREFUSED 127.0.0.1:1",
  );
  assert.equal(describeError("words"), "words");
});
