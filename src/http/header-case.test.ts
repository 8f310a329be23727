import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptCase, properCase, recase } from "./header-case.ts";

test("properCase writes letters upper case behind anything that is neither letter nor digit", () => {
  assert.equal(properCase.format("x-custom_header"), "X-Custom_Header");
  assert.equal(properCase.format("1x-2y"), "1x-2y");
});

test("KeptCase writes names as they were first seen, and others as it is told", () => {
  const kept = new KeptCase(properCase);
  kept.keep("X-ABC");
  kept.keep("x-aBc");
  assert.equal(kept.format("x-abc"), "X-ABC");
  assert.equal(kept.format("x-new"), "X-New");
  assert.equal(new KeptCase(undefined).format("x-new"), "x-new");
});

test("recase() changes names and leaves values alone", () => {
  assert.equal(
    recase("host: a:1\r\nx-a: b: c\r\nempty:\r\n", properCase),
    "Host: a:1\r\nX-A: b: c\r\nEmpty:\r\n",
  );
});
