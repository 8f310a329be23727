import assert from "node:assert/strict";
import { test } from "node:test";
import { CatalogStore } from "./catalog-store.ts";
import type { Endpoint, Reading } from "../model.ts";

const rule = { priority: 0, share: 0 };

function reading(services: Record<string, number[]>, deleted: string[] = []): Reading {
  const endpoint = (port: number): Endpoint => ({
    ip: "10.0.0.1",
    port,
    weight: 1,
    region: "",
    zone: "",
    version: "",
    health: "healthy",
    metadata: {},
  });
  const entries = Object.entries(services);
  return {
    kind: "ok",
    services: new Map(
      entries.map(([name, ports]) => [name, { endpoints: ports.map(endpoint), confirmed: true }]),
    ),
    deleted: new Set(deleted),
  };
}

function store(...names: string[]) {
  const changes: string[] = [];
  const logged: string[] = [];
  const log = { info: () => {}, warn: (message: string) => void logged.push(message) };
  const sources = names.map((name) => ({ name, rule }));
  const catalog = new CatalogStore(
    sources,
    undefined,
    log,
    (services) => void changes.push([...services].sort().join(" ")),
  );
  const ports = (service: string) =>
    catalog.catalog.get(service)?.map(({ port, source }) => `${port} of ${source}`);
  return { catalog, changes, logged, ports };
}

test("CatalogStore.apply() tells which services changed, and nothing when none did", () => {
  const { catalog, changes, ports } = store("a", "b");
  catalog.apply("a", reading({ users: [1], orders: [5] }), 1);
  catalog.apply("b", reading({ users: [2] }), 2);
  catalog.apply("a", reading({ users: [1], orders: [5] }), 3);
  catalog.apply("a", reading({ users: [1], orders: [6] }), 4);
  assert.deepEqual(changes, ["orders users", "users", "orders"]);
  assert.deepEqual(ports("users"), ["1 of a", "2 of b"]);
  assert.deepEqual(ports("orders"), ["6 of a"]);
  assert.deepEqual([...catalog.catalog.keys()], ["orders", "users"], "in order");
  catalog.apply("a", reading({ orders: [6], users: [1] }, ["users"]), 5);
  const before = catalog.catalog.get("orders");
  catalog.apply("a", reading({ orders: [6] }, ["users"]), 6);
  assert.deepEqual(ports("users"), ["2 of b"]);
  assert.equal(catalog.catalog.get("orders"), before, "what did not change is the same object");
});

test("CatalogStore.apply() says that a source was read even if it has nothing", () => {
  const { catalog, changes } = store("a");
  assert.deepEqual(catalog.unread, ["a"]);
  catalog.apply("a", reading({}), 1);
  assert.deepEqual(catalog.unread, []);
  assert.deepEqual(changes, [""]);
});

test("CatalogStore.apply() chooses one spelling of a name, the same in whatever order sources are read", () => {
  for (const order of [
    ["a", "b"],
    ["b", "a"],
  ]) {
    const { catalog, logged, ports } = store("a", "b");
    const said: Record<string, Reading> = { a: reading({ users: [1] }), b: reading({ Users: [2] }) };
    for (const source of order) catalog.apply(source, said[source]!, 1);
    assert.deepEqual([...catalog.catalog.keys()], ["Users"]);
    assert.match(logged.join(), /leaving out service "users" of source a: it differs from "Users"/);
    catalog.apply("b", reading({}, ["Users"]), 2);
    assert.deepEqual(ports("users"), ["1 of a"], "the name is free");
  }
});

test("CatalogStore.apply() leaves out names and endpoints that no proxy would take, and nothing else", () => {
  const { catalog, logged, ports } = store("a");
  catalog.apply("a", reading({ "bad name": [1], local_app: [1], users: [0, 1] }), 1);
  assert.deepEqual(ports("users"), ["1 of a"]);
  assert.deepEqual([...catalog.catalog.keys()], ["users"]);
  assert.equal(logged.length, 3);
});
