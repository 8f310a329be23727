import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileRouteList, requestHead } from "../../testing/compile-routes.ts";
import { StreamInfo } from "../stream-info.ts";

type Match =
  | { kind: "prefix" | "path" | "path_separated_prefix"; text: string; ignoreCase: boolean }
  | { kind: "safe_regex"; text: string };

const segment = fc.constantFrom("a", "b", "A", "ab", "abc", "1");
const path = fc.array(segment, { maxLength: 3 }).map((parts) => "/" + parts.join("/"));
const plain = fc.record({
  kind: fc.constantFrom("prefix" as const, "path" as const, "path_separated_prefix" as const),
  text: path.filter((text) => text !== "/"),
  ignoreCase: fc.boolean(),
});
const regex = fc.record({
  kind: fc.constant("safe_regex" as const),
  text: fc.constantFrom("/a.*", "/[ab]/.*", ".*1", "/a/b?", "/ab+", "/a|/b", "/abc{1,2}/1", "/(a|b)/\\d"),
});
const route = fc.record({
  match: fc.oneof({ arbitrary: plain, weight: 4 }, { arbitrary: regex, weight: 1 }) as fc.Arbitrary<Match>,
  /** Value of the header that the route asks for. */
  header: fc.option(fc.constantFrom("1", "2"), { nil: undefined }),
});
const request = fc.record({
  path: fc.tuple(path, fc.constantFrom("", "", "/", "x", "?q=/a", "#f")).map((parts) => parts.join("")),
  header: fc.option(fc.constantFrom("1", "2"), { nil: undefined }),
});

/** The rules of matching, one route after the other. */
function naive(
  routes: readonly { match: Match; header: string | undefined }[],
  whole: string,
  header: string | undefined,
) {
  const bare = whole.replace(/[?#].*/, "");
  return routes.findIndex(({ match, header: wanted }) => {
    if (wanted !== undefined && wanted !== header) return false;
    if (match.kind === "safe_regex") return new RegExp(`^(?:${match.text})$`).test(bare);
    const text = match.ignoreCase ? match.text.toLowerCase() : match.text;
    const own = match.ignoreCase ? bare.toLowerCase() : bare;
    if (match.kind === "path") return own === text;
    if (match.kind === "prefix") return own.startsWith(text);
    return own === text || own.startsWith(text + "/");
  });
}

test("the index finds the route that a walk over the list finds", () => {
  fc.assert(
    fc.property(
      fc.array(route, { maxLength: 25 }),
      fc.array(request, { minLength: 5, maxLength: 15 }),
      (routes, requests) => {
        const table = compileRouteList(
          routes.map(({ match, header }, index) => ({
            name: String(index),
            match: {
              ...(match.kind === "safe_regex"
                ? { safe_regex: { regex: match.text } }
                : { [match.kind]: match.text, case_sensitive: !match.ignoreCase }),
              headers: header === undefined ? [] : [{ name: "x-h", string_match: { exact: header } }],
            },
            route: { cluster: "c" },
          })),
        );
        for (const { path: whole, header } of requests) {
          const head = requestHead(whole, header === undefined ? [] : [["x-h", header]]);
          const found = table.match(head, new StreamInfo(), 0);
          assert.equal(Number(found?.name ?? -1), naive(routes, whole, header), whole);
        }
      },
    ),
    { numRuns: 150 },
  );
});
