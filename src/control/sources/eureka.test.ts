import assert from "node:assert/strict";
import { test } from "node:test";
import { ScriptedHttp } from "../../testing/scripted-http.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { eurekaSource } from "./eureka.ts";

/** An instance as Eureka writes it. */
const instance = (port: number, status = "UP", metadata: object = {}) => ({
  instanceId: `host:users:${port}`,
  hostName: "host.test",
  app: "USERS",
  ipAddr: "10.0.0.1",
  status,
  overriddenStatus: "UNKNOWN",
  port: { $: port, "@enabled": "true" },
  securePort: { $: 443, "@enabled": "false" },
  countryId: 1,
  dataCenterInfo: {
    "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
    name: "Amazon",
    metadata: { "availability-zone": "us-east-1c" },
  },
  leaseInfo: { renewalIntervalInSecs: 30, durationInSecs: 90 },
  metadata: { "@class": "java.util.Collections$EmptyMap", ...metadata },
  vipAddress: "people",
  lastUpdatedTimestamp: "1479997871",
  actionType: "ADDED",
});
const apps = (instances: unknown) => ({
  applications: {
    versions__delta: "1",
    apps__hashcode: "UP_1_",
    application: [{ name: "USERS", instance: instances }],
  },
});

test("eurekaSource.watch() maps status and metadata, and turns to the next server", async (t) => {
  const server = await ScriptedHttp.start(t, () =>
    apps([
      instance(1, "UP", { zone: "z1", version: "7", weight: "3" }),
      instance(2, "OUT_OF_SERVICE"),
      instance(3, "DOWN"),
    ]),
  );
  const broken = await ScriptedHttp.start(t, () => ({ status: 503 }));
  const source = new WatchedSource(
    t,
    eurekaSource,
    `urls=${broken.url}/eureka,${server.url}/eureka,interval=10ms`,
  );
  assert.equal(await source.nextText(), "error: HTTP 503");
  const reading = await source.next();
  assert.ok(reading.kind === "ok");
  const { endpoints } = reading.services.get("users")!;
  assert.deepEqual(endpoints[0], {
    ip: "10.0.0.1",
    port: 1,
    weight: 3,
    region: "",
    zone: "z1",
    version: "7",
    health: "healthy",
    metadata: { instance_id: "host:users:1", zone: "z1", version: "7", weight: "3" },
  });
  assert.equal(endpoints.map(({ health }) => health).join(), "healthy,draining,unhealthy");
  assert.equal(server.asked[0], "GET /eureka/apps");
  server.answer = () => apps(instance(4));
  await source.until("users=10.0.0.1:4@us-east-1c?");
  for (const nonsense of ["<xml/>", "{}", '{"applications":{"application":[3]}}']) {
    server.answer = () => nonsense;
    await source.until(/^error: (the|an)/);
  }
  server.answer = () => apps([instance(4), { status: 5 }]);
  await source.until("users=10.0.0.1:4@us-east-1c?+1");
  server.answer = () => apps([]);
  await source.until("users=?");
  const vip = new WatchedSource(t, eurekaSource, `urls=${server.url},name=vip`);
  server.answer = () => apps([instance(4)]);
  await vip.until("people=10.0.0.1:4@us-east-1c?");
});
