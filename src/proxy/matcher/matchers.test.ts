import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderMap } from "../../http/header-map.ts";
import { fromJson } from "../../proto/registry.ts";
import { HeaderMatcher } from "./header-matcher.ts";
import { queryParameter, QueryParameterMatcher } from "./query-parameter-matcher.ts";
import { compileStringMatcher } from "./string-matcher.ts";

type Json = Parameters<typeof fromJson>[1];

describe("compileStringMatcher()", () => {
  const cases: [config: Json, matching: string[], other: string[]][] = [
    [{ exact: "aB" }, ["aB"], ["ab", "aBc", ""]],
    [{ exact: "aB", ignore_case: true }, ["ab", "AB"], ["abc"]],
    [{ prefix: "ab" }, ["ab", "abc"], ["Abc", "xab"]],
    [{ prefix: "ab", ignore_case: true }, ["ABc"], ["xab"]],
    [{ suffix: "ab" }, ["ab", "xab"], ["abx", "xAB"]],
    [{ suffix: "ab", ignore_case: true }, ["xAB"], ["abx"]],
    [{ contains: "ab" }, ["xaby"], ["xAby"]],
    [{ contains: "AB", ignore_case: true }, ["xaby"], ["xa-by"]],
    [{ safe_regex: { regex: "a+b" } }, ["aab"], ["xaab", "aabx"]],
  ];
  for (const [config, matching, other] of cases) {
    it(`takes ${JSON.stringify(config)}`, () => {
      const match = compileStringMatcher(fromJson("envoy.type.matcher.v3.StringMatcher", config));
      for (const text of matching) assert.equal(match(text), true, text);
      for (const text of other) assert.equal(match(text), false, text);
    });
  }
});

describe("HeaderMatcher", () => {
  // Each line was played on Envoy 1.40.
  const cases: [config: Json, values: string[], expected: boolean][] = [
    [{ string_match: { exact: "x" }, invert_match: true }, [], false],
    [{ string_match: { exact: "x" }, invert_match: true }, ["x"], false],
    [{ string_match: { exact: "x" }, invert_match: true }, ["y"], true],
    [{ string_match: { exact: "x" }, invert_match: true }, ["x", "y"], false],
    [{ string_match: { exact: "x" }, invert_match: true }, ["y", "x"], false],
    [{ string_match: { exact: "x" } }, ["y", "x"], true],
    [{ string_match: { exact: "y,x" } }, ["y", "x"], false],
    [{ string_match: { exact: "x" }, invert_match: true, treat_missing_header_as_empty: true }, [], true],
    [{ string_match: { exact: "x" }, invert_match: true, treat_missing_header_as_empty: true }, ["x"], false],
    [{ present_match: false, invert_match: true }, [], false],
    [{ present_match: false, invert_match: true }, ["x"], true],
    [{ present_match: true }, ["x"], true],
    [{ present_match: false }, [], true],
    [{}, [], false],
    [{}, ["x"], true],
    [{ range_match: { start: 1, end: 10 } }, ["5"], true],
    [{ range_match: { start: 1, end: 10 } }, ["10"], false],
    [{ range_match: { start: 1, end: 10 } }, ["+5"], true],
    [{ range_match: { start: 1, end: 10 } }, ["5x"], false],
    [{ range_match: { start: 1, end: 10 } }, ["-5"], false],
    [{ range_match: { start: 1, end: 10 } }, ["05"], true],
    [{ exact_match: "x" }, ["x"], true],
    [{ safe_regex_match: { regex: "x+" } }, ["xx"], true],
    [{ contains_match: "b" }, ["abc"], true],
  ];
  for (const [config, values, expected] of cases) {
    it(`${JSON.stringify(config)} and ${JSON.stringify(values)}: ${expected}`, () => {
      for (const name of ["A", "Cookie"]) {
        const matcher = new HeaderMatcher(
          fromJson("envoy.config.route.v3.HeaderMatcher", { name, ...(config as object) }),
        );
        const headers = HeaderMap.of(values.map((value) => [name.toLowerCase(), value]));
        assert.equal(matcher.matches(headers), expected);
      }
    });
  }

  it("reads pseudo headers", () => {
    const headers = HeaderMap.of([]);
    headers.method = "POST";
    headers.authority = "h";
    const matcher = (name: string, value: string) =>
      new HeaderMatcher(
        fromJson("envoy.config.route.v3.HeaderMatcher", { name, string_match: { exact: value } }),
      );
    assert.equal(matcher(":method", "POST").matches(headers), true);
    assert.equal(matcher(":authority", "h").matches(headers), true);
    assert.equal(matcher("host", "h").matches(headers), true);
  });
});

describe("QueryParameterMatcher", () => {
  it("looks at the first parameter of that name, undecoded", () => {
    const exact = new QueryParameterMatcher(
      fromJson("envoy.config.route.v3.QueryParameterMatcher", { name: "a", string_match: { exact: "x" } }),
    );
    assert.equal(exact.matches("/?a=x"), true);
    assert.equal(exact.matches("/?b=1&a=x"), true);
    assert.equal(exact.matches("/?a=y&a=x"), false);
    assert.equal(exact.matches("/?A=x"), false);
    assert.equal(exact.matches("/?ba=x"), false);
    const present = new QueryParameterMatcher(
      fromJson("envoy.config.route.v3.QueryParameterMatcher", { name: "a" }),
    );
    assert.equal(present.matches("/?a"), true);
    assert.equal(present.matches("/a"), false);
    assert.equal(queryParameter("/?a=1%202#x", "a"), "1%202");
    assert.equal(queryParameter("/?ab=1&a", "a"), "");
  });
});
