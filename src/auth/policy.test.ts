import assert from "node:assert/strict";
import { test } from "node:test";
import { makeIdentity } from "./identity.ts";
import { requirementOf, satisfies } from "./policy.ts";
import type { Policy } from "./policy.ts";

const policy: Policy = {
  rules: [
    { path: "/health", methods: ["GET"], allow: "public" },
    { pathPrefix: "/public", allow: "public" },
    { pathPrefix: "/internal/", allow: "deny" },
    { pathPrefix: "/admin", methods: ["GET"], roles: ["admin", "auditor"], users: ["root"] },
    { pathPrefix: "/admin", roles: ["admin"] },
  ],
  otherwise: "authenticated",
};

function access(method: string, path: string): string {
  return requirementOf(policy, method, path).access;
}

test("requirementOf() takes the first rule whose path and method fit, else the default", () => {
  assert.equal(access("GET", "/health"), "public");
  assert.equal(access("GET", "/health/"), "public");
  assert.equal(access("POST", "/health"), "authenticated");
  assert.equal(access("GET", "/healthy"), "authenticated");
  assert.equal(access("GET", "/public/a"), "public");
  assert.equal(access("GET", "/publicity"), "authenticated");
  assert.equal(access("GET", "/internal"), "deny");
  assert.equal(requirementOf(policy, "GET", "/admin/x").rules.length, 1);
});

test("requirementOf() cannot be led around a rule by another spelling of its path", () => {
  for (const target of [
    "/public/../internal/x",
    "/public/%2e%2e/internal",
    "//internal//x",
    "/public%2f..%2finternal",
    "/public/..;/internal",
    "/public\\..\\internal",
    "/%69nternal",
    "/internal;v=1/x",
    "/public/%252e%252e/internal",
    "/public/%zz",
  ]) {
    assert.equal(access("GET", target), "deny", target);
  }
  const both = requirementOf(policy, "GET", "/public%2f..%2fadmin");
  assert.equal(both.access, "authenticated");
  assert.ok(both.rules.length > 0);
});

test("satisfies() asks for one of the roles or users of the rule", () => {
  const read = requirementOf(policy, "GET", "/admin");
  const write = requirementOf(policy, "PUT", "/admin");
  assert.equal(satisfies(makeIdentity("a", ["auditor"], Infinity), read), true);
  assert.equal(satisfies(makeIdentity("root", [], Infinity), read), true);
  assert.equal(satisfies(makeIdentity("a", ["auditor"], Infinity), write), false);
  assert.equal(satisfies(makeIdentity("a", ["admin"], Infinity), write), true);
  assert.equal(satisfies(makeIdentity("a", [], Infinity), requirementOf(policy, "GET", "/else")), true);
});

test("makeIdentity() refuses what would not be safe in a header", () => {
  for (const user of ["", "a\r\nb", " a", "é", "a".repeat(300)])
    assert.throws(() => makeIdentity(user, [], 0));
  for (const role of ["", "a,admin", "a b", "a\n"]) assert.throws(() => makeIdentity("u", [role], 0));
});
