import assert from "node:assert/strict";
import { test } from "node:test";
import { loadPolicy } from "./load-policy.ts";
import { policyCatalog } from "./policy-catalog.ts";
import { policyChanges } from "./policy-changes.ts";

const text = (more = "") => `
edge: { routes: [{ prefix: /u, service: users }] }
services:
  users: { timeout_ms: 1000${more} }
  pay: {}
`;

function changes(before: string, after: string): string[] {
  const [old, next] = [loadPolicy(before, "a.yaml"), loadPolicy(after, "b.yaml")];
  const catalog = new Map([...policyCatalog(old), ...policyCatalog(next)]);
  return policyChanges(catalog, old, next, []).map(({ for: who, type, name, before: from, after: to }) => {
    const sign = from === undefined ? "+" : to === undefined ? "-" : "~";
    return `${sign} ${type.split(".").at(-1)} ${name}: ${who.join(", ")}`;
  });
}

test("policyChanges() tells what each view would get otherwise", () => {
  assert.deepEqual(changes(text(), text()), []);
  assert.deepEqual(changes(text(), text(", connect_timeout_ms: 5")), [
    "~ Cluster users: view edge, view sidecar, view grpc",
  ]);
  assert.deepEqual(changes(text(), text(", split: { v2: 1 }")).sort(), [
    "+ Cluster users@v2: view edge, view sidecar, view grpc",
    "+ ClusterLoadAssignment users@v2: view edge, view sidecar, view grpc",
    "- Cluster users: view edge",
    "- ClusterLoadAssignment users: view edge",
    "~ RouteConfiguration edge: view edge",
    "~ RouteConfiguration outbound: view sidecar",
    "~ RouteConfiguration users: view grpc",
  ]);
});

test("policyChanges() tells which nodes would be refused, and which view comes new", () => {
  const views = (more: string) => `${text()}views: [{ name: old, match: { id: x }, ${more} }]\n`;
  const found = changes(views("edge: {}"), views("refuse: too old"));
  assert.ok(
    found.some((line) => line.startsWith("~  view: ")),
    found.join("\n"),
  );
  const fresh = changes(text(), views("edge: { listen: '127.0.0.1:1' }"));
  assert.ok(
    fresh.some((line) => line.includes("view old")),
    fresh.join("\n"),
  );
});
