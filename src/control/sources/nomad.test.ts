import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedBlocking } from "../../testing/scripted-blocking.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { nomadSource } from "./nomad.ts";

/** A registration as Nomad's documentation shows it. */
const registration = (port: number, tags: string[] = []) => ({
  Address: "127.0.0.1",
  AllocID: "177160af-26f6-619f-9c9f-5e46d1104395",
  CreateIndex: 14,
  Datacenter: "dc1",
  ID: `_nomad-task-177160af-example-cache-redis-db-${port}`,
  JobID: "example",
  ModifyIndex: 24,
  Namespace: "default",
  NodeID: "7406e90b-de16-d118-80fe-60d0f2730cb3",
  Port: port,
  ServiceName: "redis",
  Tags: tags,
});

test("nomadSource.watch() follows services of all namespaces", async (t) => {
  const nomad = await ScriptedBlocking.start(t, "x-nomad-index");
  const list = (...names: string[]) => [
    {
      Namespace: "default",
      Services: names.map((ServiceName) => ({ ServiceName, Tags: ["db", "version=7"] })),
    },
  ];
  nomad.set("/v1/services", list("redis", "web"));
  nomad.set("/v1/service/redis", [registration(1, ["version=7"]), registration(2)]);
  nomad.set("/v1/service/web", [registration(3)]);
  const source = new WatchedSource(t, nomadSource, `url=${nomad.http.url},namespace=*,token=t0`);
  const reading = await source.next();
  assert.ok(reading.kind === "ok");
  assert.deepEqual(reading.services.get("redis")!.endpoints[0], {
    ip: "127.0.0.1",
    port: 1,
    weight: 1,
    region: "",
    zone: "dc1",
    version: "7",
    health: "healthy",
    metadata: {
      job: "example",
      alloc: "177160af-26f6-619f-9c9f-5e46d1104395",
      node: "7406e90b-de16-d118-80fe-60d0f2730cb3",
      "tag:version": "7",
    },
  });
  assert.match(nomad.http.asked[0]!, /\/v1\/services\?namespace=\*&index=0/);
  assert.ok(
    nomad.http.asked.some((line) => line.startsWith("GET /v1/service/redis?namespace=default&index=")),
  );
  assert.equal(nomad.http.last!.headers["x-nomad-token"], "t0");

  nomad.set("/v1/service/redis", [registration(2)]);
  await source.until("redis=127.0.0.1:2@dc1 web=127.0.0.1:3@dc1?");
  nomad.fault = () => ({ status: 500, body: "no leader" });
  nomad.wake();
  await source.until("error: HTTP 500: no leader");
  nomad.fault = (path) => (path === "/v1/services" ? "[{}]" : undefined);
  await source.until("error: the list of services is not one of Nomad");
  nomad.fault = undefined;
  await source.until("redis=127.0.0.1:2@dc1? web=127.0.0.1:3@dc1?");
  nomad.set("/v1/services", list("redis"));
  await source.until("redis=127.0.0.1:2@dc1? -web");
  nomad.set("/v1/service/redis", []);
  await source.until("redis= -web");
});
