import assert from "node:assert/strict";
import { test } from "node:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ScriptedBlocking } from "../../testing/scripted-blocking.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { consulSource } from "./consul.ts";

interface Wanted {
  status?: string;
  check?: string;
  tags?: string[];
  address?: string;
  kind?: string;
  meta?: Record<string, string>;
}

/** An entry as Consul's documentation shows it. */
function entry(
  port: number,
  { status = "passing", check = "service:x", tags = [], address = "", kind = "", meta = {} }: Wanted = {},
) {
  return {
    Node: { ID: "n1", Node: "foobar", Address: "10.1.10.12", Datacenter: "dc1", Meta: { zone: "a" } },
    Service: {
      ID: `users-${port}`,
      Service: "users",
      Kind: kind,
      Tags: tags,
      Address: address,
      Meta: meta,
      Port: port,
      Weights: { Passing: 10, Warning: 2 },
      Namespace: "default",
    },
    Checks: [
      { Node: "foobar", CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing" },
      { Node: "foobar", CheckID: check, Name: "Service check", Status: status },
    ],
  };
}

const LIST = "/v1/catalog/services";
const USERS = "/v1/health/service/users";

test("consulSource.watch() maps health, weights, zones and metadata", async (t) => {
  const consul = await ScriptedBlocking.start(t, "x-consul-index");
  consul.set(LIST, { users: ["http"] });
  consul.set(USERS, [
    entry(1, { tags: ["http", "v=1"], meta: { version: "7" } }),
    entry(2, { status: "warning", address: "10.0.0.2" }),
    entry(3, { status: "critical" }),
    entry(4, { status: "critical", check: "_node_maintenance" }),
    entry(5, { kind: "connect-proxy" }),
    entry(0),
  ]);
  const secret = join(tempDir("consul"), "token");
  writeFileSync(secret, "t0\n");
  const source = new WatchedSource(
    t,
    consulSource,
    `url=${consul.http.url},token=@${secret},dc=dc1,namespace=ns1,partition=p1,consistency=stale,warning=degraded`,
  );
  const reading = await source.next();
  assert.equal(reading.kind, "ok");
  const endpoints = reading.services.get("users")!.endpoints;
  assert.deepEqual(
    endpoints.map(({ ip, port, weight, health, zone, region }) =>
      [ip, port, weight, health, zone, region].join(),
    ),
    [
      "10.1.10.12,1,10,healthy,a,dc1",
      "10.0.0.2,2,2,degraded,a,dc1",
      "10.1.10.12,3,10,unhealthy,a,dc1",
      "10.1.10.12,4,10,draining,a,dc1",
    ],
  );
  assert.equal(endpoints[0]!.version, "7");
  assert.deepEqual(endpoints[0]!.metadata, {
    version: "7",
    "node:zone": "a",
    "tag:http": "",
    "tag:v=1": "",
    "node-id": "n1",
  });
  assert.equal(consul.http.last!.headers["x-consul-token"], "t0");
  const asked = new URL(consul.http.asked[0]!.slice(4), "http://x").searchParams;
  assert.equal(
    `${asked.get("dc")} ${asked.get("ns")} ${asked.get("partition")} ${asked.get("stale")}`,
    "dc1 ns1 p1 ",
  );
});

test("consulSource.watch() believes losses after a rising index only", async (t) => {
  const consul = await ScriptedBlocking.start(t, "x-consul-index");
  consul.set(LIST, { users: [] });
  consul.set(USERS, [entry(1), entry(2)]);
  const source = new WatchedSource(t, consulSource, `url=${consul.http.url}`);
  await source.until("users=10.1.10.12:1*10@a,10.1.10.12:2*10@a?");
  consul.set(USERS, [entry(2)]);
  await source.until("users=10.1.10.12:2*10@a");
  consul.set(USERS, [], 3);
  await source.until("users=?");
  consul.set(USERS, [entry(3)], 4);
  await source.until("users=10.1.10.12:3*10@a");
  // Empty, and yet the index says that nothing changed.
  consul.fault = (path) => (path === USERS ? "[]" : undefined);
  consul.wake();
  await source.until("users=?");
  consul.fault = undefined;
  consul.set(USERS, [], 5);
  await source.until("users=");
  consul.set(LIST, {}, 40);
  await source.until("-users");
  consul.set(LIST, { users: [] });
  await source.until("users=?");
});

test("consulSource.watch() does not believe a list that shrank with its index", async (t) => {
  const consul = await ScriptedBlocking.start(t, "x-consul-index");
  consul.set(LIST, { users: [] }, 100);
  consul.set(USERS, [entry(1)], 100);
  const source = new WatchedSource(t, consulSource, `url=${consul.http.url}`);
  await source.until("users=10.1.10.12:1*10@a?");
  consul.set(LIST, {}, 2);
  await source.until("");
});

test("consulSource.watch() keeps what it knows of a service that cannot be read", async (t) => {
  const consul = await ScriptedBlocking.start(t, "x-consul-index");
  consul.set(LIST, { users: [], orders: [] });
  consul.set(USERS, [entry(1)]);
  consul.set("/v1/health/service/orders", [entry(2)]);
  const source = new WatchedSource(t, consulSource, `url=${consul.http.url}`);
  await source.until("orders=10.1.10.12:2*10@a? users=10.1.10.12:1*10@a?");
  consul.fault = (path) => (path === USERS ? { status: 500, body: "rpc error" } : undefined);
  consul.wake();
  await source.until(
    /^orders=10.1.10.12:2\*10@a\? users=10.1.10.12:1\*10@a\? \(users: HTTP 500: rpc error\)$/,
  );
  consul.set("/v1/health/service/orders", [entry(2), entry(3)]);
  await source.until(/^orders=10.1.10.12:2\*10@a,10.1.10.12:3\*10@a users=10.1.10.12:1\*10@a\? \(users/);
  consul.fault = () => ({ status: 500, body: "No cluster leader" });
  consul.wake();
  await source.until("error: HTTP 500: No cluster leader");
  consul.fault = (path) => (path === USERS ? '[{"Node":{}},5]' : undefined);
  // What was known before the outage still is.
  await source.until(
    /^orders=.* users=10.1.10.12:1\*10@a\? \(users: an entry of service "users" makes no sense/,
  );
  consul.fault = undefined;
  await source.until(/^orders=.* users=10.1.10.12:1\*10@a\?$/);
});

test("consulSource.watch() selects and names by tag as Rotor did", async (t) => {
  const consul = await ScriptedBlocking.start(t, "x-consul-index");
  consul.set(LIST, { users: ["tbn-cluster=people", "v=1"], other: ["x"] });
  consul.set(USERS, [
    entry(1, { tags: ["tbn-cluster=people"] }),
    entry(2),
    entry(3, { tags: ["tbn-cluster"] }),
  ]);
  const source = new WatchedSource(t, consulSource, `url=${consul.http.url},tag=tbn-cluster,tag_delimiter==`);
  await source.until("people=10.1.10.12:1*10@a? users=10.1.10.12:3*10@a?");
  consul.set(USERS, [entry(3, { tags: ["tbn-cluster"] })]);
  await source.until("users=10.1.10.12:3*10@a -people");
  assert.equal(
    consul.http.asked.some((line) => line.includes("other")),
    false,
  );
});

test("consulSource.watch() shares few connections among many services", async (t) => {
  const consul = await ScriptedBlocking.start(t, "x-consul-index");
  const names = Array.from({ length: 30 }, (_, i) => `s${i}`);
  consul.set(LIST, Object.fromEntries(names.map((name) => [name, []])));
  for (const [i, name] of names.entries()) consul.set(`/v1/health/service/${name}`, [entry(i + 1)]);
  const source = new WatchedSource(t, consulSource, `url=${consul.http.url},connections=4`);
  const reading = await source.next();
  assert.equal(reading.kind === "ok" ? reading.services.size : reading.error, 30);
});
