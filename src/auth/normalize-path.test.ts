import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { possiblePaths } from "./normalize-path.ts";

test("possiblePaths() gives a plain path as it is, without query and fragment", () => {
  assert.deepEqual(possiblePaths("/a/b-c_d?x=/../y#z"), ["/a/b-c_d"]);
  assert.deepEqual(possiblePaths("/"), ["/"]);
  assert.deepEqual(possiblePaths("*"), ["*"]);
});

test("possiblePaths() resolves what servers resolve", () => {
  const cases: [string, string][] = [
    ["/public/../admin", "/admin"],
    ["/public/%2e%2e/admin", "/admin"],
    ["/public/%2E./admin/", "/admin/"],
    ["//admin", "/admin"],
    ["/a/./b//c", "/a/b/c"],
    ["/%61dmin", "/admin"],
    ["/../../admin", "/admin"],
    ["/public%2f..%2fadmin", "/admin"],
    ["/public/..%5cadmin", "/admin"],
    ["/public\\..\\admin", "/admin"],
    ["/public/..;/admin", "/admin"],
    ["/admin;a=b/users", "/admin/users"],
    ["/%2561dmin", "/admin"],
    ["/public/%252e%252e/admin", "/admin"],
  ];
  for (const [target, path] of cases)
    assert.ok(possiblePaths(target)?.includes(path), `${target}: ${possiblePaths(target)?.join(" ")}`);
});

test("possiblePaths() refuses what is no path", () => {
  for (const bad of [
    "",
    "admin",
    "http://a/b",
    "/%",
    "/%zz",
    "/%c3",
    "/a%00b",
    "/a%0d%0ab",
    "/%25252525252561",
  ]) {
    assert.equal(possiblePaths(bad), undefined, bad);
  }
});

test("possiblePaths() of any escaping of a path has that path among them", () => {
  const segment = fc.stringMatching(/^[a-z]{1,6}$/);
  const escape = fc.constantFrom("none", "hex", "twice");
  fc.assert(
    fc.property(fc.array(fc.tuple(segment, escape), { minLength: 1, maxLength: 5 }), (parts) => {
      const target = parts.map(([text, how]) => `/${escaped(text, how)}`).join("");
      assert.ok(possiblePaths(target)?.includes(parts.map(([text]) => `/${text}`).join("")));
    }),
  );
});

function escaped(text: string, how: string): string {
  if (how === "none") return text;
  const hex = Array.from(text, (char) => `%${char.codePointAt(0)?.toString(16)}`).join("");
  return how === "twice" ? hex.replaceAll("%", "%25") : hex;
}
