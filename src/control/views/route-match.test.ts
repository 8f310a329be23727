import assert from "node:assert/strict";
import { test } from "node:test";
import { SafeRegex } from "../../base/safe-regex.ts";
import { combineMatches, routeMatch, type Match } from "./route-match.ts";

test("combineMatches() sees the paths of a service behind the route of an edge", () => {
  type Outer = Match & { rewrite_prefix?: string };
  const cases: [Outer, Match, Partial<ReturnType<typeof combineMatches>> | undefined][] = [
    [{ prefix: "/" }, { prefix: "/a" }, { prefix: "/a" }],
    [{}, { path: "/a" }, { path: "/a" }],
    [{ prefix: "/u" }, {}, { prefix: "/u" }],
    [{ prefix: "/u" }, { prefix: "/u/a" }, { prefix: "/u/a" }],
    [{ prefix: "/u/a" }, { prefix: "/u" }, { prefix: "/u/a" }],
    [{ prefix: "/u" }, { prefix: "/x" }, undefined],
    [{ prefix: "/u" }, { prefix: "/ux" }, undefined],
    [{ prefix: "/u", rewrite_prefix: "/" }, { prefix: "/a" }, { prefix: "/u/a", rewrite_prefix: "/a" }],
    [{ prefix: "/u", rewrite_prefix: "/" }, { path: "/a" }, { path: "/u/a", rewrite_prefix: "/a" }],
    [{ prefix: "/u", rewrite_prefix: "/v" }, { prefix: "/v/a/" }, { prefix: "/u/a", rewrite_prefix: "/v/a" }],
    [{ prefix: "/u", rewrite_prefix: "/v" }, { prefix: "/u" }, undefined],
    [{ prefix: "/u", rewrite_prefix: "/v/w" }, { prefix: "/v" }, { prefix: "/u", rewrite_prefix: "/v/w" }],
    [{ path: "/u", rewrite_prefix: "/v" }, { prefix: "/v" }, { path: "/u", rewrite_prefix: "/v" }],
    [{ path: "/u" }, { path: "/u" }, { path: "/u" }],
    [{ path: "/u" }, { path: "/v" }, undefined],
    [{ prefix: "/" }, { regex: "/a+" }, { regex: "/a+" }],
    [{ prefix: "/u" }, { regex: "/a+" }, { regex: "/a+", wholePath: "/u(?:[/?].*)?" }],
    [{ prefix: "/u", rewrite_prefix: "/" }, { regex: "/a+" }, undefined],
    [{ path: "/u" }, { regex: "/a+" }, { path: "/u", wholePath: "(?:/a+)(?:\\?.*)?" }],
    [{ regex: "/u.*" }, { regex: "/a+" }, { regex: "/u.*", wholePath: "(?:/a+)(?:\\?.*)?" }],
    [{ regex: "/u.*" }, { prefix: "/u" }, { regex: "/u.*", wholePath: "/u(?:[/?].*)?" }],
    [{ regex: "/u.*" }, { path: "/u.1" }, { regex: "/u.*", wholePath: "/u\\.1(?:\\?.*)?" }],
    [{ regex: "/u.*" }, {}, { regex: "/u.*" }],
  ];
  for (const [outer, inner, expected] of cases) {
    const found = combineMatches(outer, inner);
    const text = JSON.stringify([outer, inner]);
    if (expected === undefined || found === undefined) assert.equal(found, expected, text);
    else {
      const { conditions, ...path } = found;
      const set = Object.fromEntries(Object.entries(path).filter(([, value]) => value !== undefined));
      assert.deepEqual(set, expected, text);
      assert.deepEqual(conditions, [outer, inner]);
    }
  }
});

test("routeMatch() finds a cookie among others", () => {
  const regexOf = (value: object) => {
    const { headers } = routeMatch({ conditions: [{ cookies: { "a.b": value } }] }) as {
      headers: { string_match: { safe_regex: { regex: string } } }[];
    };
    return new SafeRegex(headers[0]!.string_match.safe_regex.regex);
  };
  const cases: [object, string, boolean][] = [
    [{ exact: "1" }, "a.b=1", true],
    [{ exact: "1" }, "x=2; a.b=1; y=3", true],
    [{ exact: "1" }, "x=2;a.b=1", true],
    [{ exact: "1" }, "a.b=12", false],
    [{ exact: "1" }, "xa.b=1", false],
    [{ exact: "1" }, "axb=1", false],
    [{ exact: "1" }, "x=a.b=1", false],
    [{ prefix: "b" }, "a.b=beta", true],
    [{ prefix: "b" }, "a.b=xb; c=b", false],
    [{ suffix: "b" }, "a.b=xb; c=d", true],
    [{ suffix: "b" }, "a.b=x; c=b", false],
    [{ contains: "et" }, "a.b=beta", true],
    [{ contains: "et" }, "a.b=x; c=et", false],
    [{ regex: "x|y" }, "a.b=y", true],
    [{ regex: "x|y" }, "a.b=xy", false],
    [{ present: true }, "c=d; a.b=", true],
    [{ present: true }, "c=a.b", false],
  ];
  for (const [value, cookie, expected] of cases)
    assert.equal(regexOf(value).fullMatch(cookie), expected, `${JSON.stringify(value)} ${cookie}`);
});
