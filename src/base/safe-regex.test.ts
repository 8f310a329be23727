import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RE2JS } from "re2js";
import { parseSubstitution, SafeRegex } from "./safe-regex.ts";

test("SafeRegex refuses what RE2 refuses, in its words", () => {
  const refused: [pattern: string, message: string][] = [
    ["/(a", "missing ): /(a"],
    ["*a", "no argument for repetition operator: *"],
    ["(?=a)", "invalid perl operator: (?="],
    ["a\\1", "invalid escape sequence: \\1"],
    ["[z-a]", "invalid character class range: z-a"],
    ["a{1001}", "invalid repetition size: {1001}"],
  ];
  for (const [pattern, message] of refused) assert.throws(() => new SafeRegex(pattern), { message });
});

test("SafeRegex runs a pattern on V8 only when that is linear", () => {
  for (const pattern of [
    "/users/\\d+",
    "/(v1|v2)/[^/]+/x",
    ".*\\.png",
    "^/svc/([^/]+)(/.*)$",
    "/a/.*",
    "[a-z]{2,4}",
  ])
    assert.equal(new SafeRegex(pattern).runsOnV8, true, pattern);
  for (const pattern of [
    "(a+)+",
    ".*a.*b",
    "a*a*b",
    "(a|b)*c",
    "(a|aa)+$",
    "[a-z]+[a-z0-9]+x",
    "\\bfoo",
    "(?i)a",
    "é",
    "(a?){60}",
  ])
    assert.equal(new SafeRegex(pattern).runsOnV8, false, pattern);
});

test("SafeRegex stays fast on texts that make backtracking explode", () => {
  const text = "/" + "a".repeat(20_000);
  const start = performance.now();
  for (const pattern of ["/(a+)+b", "/(a|a)*b", "/.*.*.*b", "/a*a*a*b", "/[^/]+b", ".*b"])
    assert.equal(new SafeRegex(pattern).fullMatch(text), false);
  assert.ok(performance.now() - start < 1500);
});

test("SafeRegex reads bytes above 0x7f as UTF-8", () => {
  const latin1 = Buffer.from("/é", "utf8").toString("latin1");
  assert.equal(new SafeRegex("/.").fullMatch(latin1), true);
  assert.equal(new SafeRegex("/é").fullMatch(latin1), true);
  assert.equal(new SafeRegex("/").replaceAll(latin1, parseSubstitution("//")), "/" + latin1);
});

test("replaceAll() substitutes as RE2::GlobalReplace does", () => {
  const cases: [pattern: string, text: string, substitution: string, expected: string][] = [
    ["^/service/([^/]+)(/.*)$", "/service/foo/v1/api", "\\2/instance/\\1", "/v1/api/instance/foo"],
    ["one", "/xxx/one/yyy/one/zzz", "two", "/xxx/two/yyy/two/zzz"],
    ["x*", "/empxa", "-", "-/-e-m-p-a-"],
    ["(a)(b)?", "acab", "<\\2>", "<>c<b>"],
    ["a", "/sub/aaa", "\\3", "/sub/aaa"],
    ["a", "aa", "\\\\", "\\\\"],
    ["a", "aa", "\\x", "aa"],
    ["(?i)/aaa", "/AAA/b", "/c", "/c/b"],
  ];
  for (const [pattern, text, substitution, expected] of cases)
    assert.equal(new SafeRegex(pattern).replaceAll(text, parseSubstitution(substitution)), expected, pattern);
});

const atom = fc.constantFrom(
  "a",
  "b",
  "/",
  "\\.",
  ".",
  "[ab]",
  "[^/]",
  "\\d",
  "\\w",
  "1",
  "-",
  "(a|b)",
  "(ab)",
  "(?:a|1b)",
);
const piece = fc
  .tuple(atom, fc.constantFrom("", "", "", "*", "+", "?", "{1,2}", "{2}", "*?"))
  .map((parts) => parts.join(""));
const pattern = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(""));
const subject = fc
  .array(fc.constantFrom("a", "b", "/", ".", "1", "2", "-", "\n"), { maxLength: 9 })
  .map((c) => c.join(""));

test("V8 and RE2 agree on patterns that V8 may run", () => {
  let onV8 = 0;
  fc.assert(
    fc.property(pattern, fc.array(subject, { minLength: 8, maxLength: 8 }), (source, texts) => {
      const regex = new SafeRegex(source);
      if (regex.runsOnV8) onV8++;
      const re2 = RE2JS.compile(source);
      for (const text of texts) {
        assert.equal(regex.fullMatch(text), re2.testExact(text));
        assert.equal(regex.find(text), re2.test(text));
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(onV8 > 100);
});
