import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesGlob } from "./name-glob.ts";

test("matchesGlob() takes * for any characters, also none", () => {
  const cases: [string, string, boolean][] = [
    ["users", "users", true],
    ["users", "users2", false],
    ["*", "", true],
    ["user*", "users", true],
    ["*-api", "users-api", true],
    ["*-api", "api", false],
    ["a*b*c", "abc", true],
    ["a*b*c", "aXbYbZc", true],
    ["a*b*c", "acb", false],
    ["a*a", "a", false],
    ["a*ab*b", "aab", false],
    ["a.c", "abc", false],
  ];
  for (const [pattern, name, expected] of cases)
    assert.equal(matchesGlob(pattern, name), expected, `${pattern} ${name}`);
});
