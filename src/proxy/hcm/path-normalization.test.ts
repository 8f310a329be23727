import assert from "node:assert/strict";
import { test } from "node:test";
import { normalizePath, type PathOptions } from "./path-normalization.ts";

const off: PathOptions = { normalize: false, mergeSlashes: false, escapedSlashes: "keep" };
const on: PathOptions = { ...off, normalize: true };
const table: readonly [path: string, options: PathOptions, expected: string | undefined][] = [
  ["/a/../b", off, "/a/../b"],
  ["/a/../ok//x/./y", on, "/ok//x/y"],
  ["/a/../ok//x/./y?q=/../", { ...on, mergeSlashes: true }, "/ok/x/y?q=/../"],
  ["/..", on, "/"],
  ["/a/..", on, "/"],
  ["/a/%2e%2E/b", on, "/b"],
  ["/%61%7e%41%20", on, "/a~A%20"],
  ["/a\\b", on, "/a/b"],
  ["/a%00b", on, undefined],
  ["/a#b", off, undefined],
  ["/ok%2fx", { ...off, escapedSlashes: "reject" }, undefined],
  ["/ok%2Fx?a=%2f", { ...off, escapedSlashes: "forward" }, "/ok/x?a=%2f"],
];
for (const [path, options, expected] of table) {
  test(`normalizePath() of ${path} with ${JSON.stringify(options)}`, () => {
    const result = normalizePath(path, options);
    assert.equal(result.kind === "reject" ? undefined : result.path, expected);
  });
}

test("normalizePath() redirects for escaped slashes where asked to", () => {
  assert.deepEqual(normalizePath("/ok%2fx", { ...off, escapedSlashes: "redirect" }), {
    kind: "redirect",
    path: "/ok/x",
  });
});
