import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedHttp } from "../../testing/scripted-http.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { lyftSource } from "./lyft.ts";

const host = (port: number, tags: object = {}) => ({
  ip_address: "10.0.0.1",
  last_check_in: "2026-11-22 06:00:00.000000+00:00",
  port,
  revision: "abc",
  service: "users",
  service_repo_name: "users-repo",
  tags: { az: "us-east-1a", region: "us-east-1", instance_id: `i-${port}`, ...tags },
});

test("lyftSource.watch() maps tags and never believes emptiness", async (t) => {
  const server = await ScriptedHttp.start(t);
  const hosts: Record<string, unknown> = {
    users: [host(1, { canary: true, load_balancing_weight: 7 })],
    orders: [],
  };
  server.answer = (url) => ({ env: "x", service: "y", hosts: hosts[url.pathname.split("/").at(-1)!] });
  const source = new WatchedSource(t, lyftSource, `url=${server.url},services=users,orders,interval=10ms`);
  const reading = await source.next();
  assert.ok(reading.kind === "ok");
  assert.deepEqual(reading.services.get("users")!.endpoints, [
    {
      ip: "10.0.0.1",
      port: 1,
      weight: 7,
      region: "us-east-1",
      zone: "us-east-1a",
      version: "abc",
      health: "healthy",
      metadata: { instance_id: "i-1", canary: true },
    },
  ]);
  assert.deepEqual(server.asked.slice(0, 2).sort(), [
    "GET /v1/registration/orders",
    "GET /v1/registration/users",
  ]);
  hosts["users"] = [];
  await source.until("orders=? users=?");
  hosts["users"] = [host(1), { port: "x" }];
  await source.until("orders=? users=10.0.0.1:1@us-east-1a?+1");
  hosts["users"] = [{ ip_address: "10.0.0.9", port: 9 }];
  await source.until("orders=? users=10.0.0.9:9?");
});

test("lyftSource.watch() keeps services whose answer fails, and says so", async (t) => {
  const server = await ScriptedHttp.start(t);
  const good = (): object => ({ hosts: [host(1)] });
  let users: () => object | string = () => ({ status: 500, body: "throttled" });
  server.answer = (url) => (url.pathname.endsWith("users") ? users() : good());
  const source = new WatchedSource(t, lyftSource, `url=${server.url},services=users,orders,interval=10ms`);
  // Not before everything was read once.
  assert.equal(await source.nextText(), "error: users: HTTP 500: throttled");
  users = good;
  const both = "orders=10.0.0.1:1@us-east-1a? users=10.0.0.1:1@us-east-1a?";
  await source.until(both);
  for (const nonsense of ['{"hosts":{}}', "[]", "{", '{"hosts":[1,2]}', "null"]) {
    users = () => nonsense;
    await source.until(/^orders=10.0.0.1:1@us-east-1a\? users=10.0.0.1:1@us-east-1a\? \(users: /);
    users = good;
    await source.until(both);
  }
  server.answer = () => ({ status: 503 });
  await source.until(/^error: .*HTTP 503 \(and 1 more\)$/);
  server.answer = good;
  await source.until(both);
  assert.ok(source.logged.some((line) => line.startsWith("cannot read all of discovery")));
});
