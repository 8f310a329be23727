import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { pino } from "pino";
import type { InstanceJson } from "../../src/registry/api/instance-json.ts";
import { openEtcdTokens } from "../../src/registry/etcd-tokens.ts";
import { startRegistry, type RunningRegistry } from "../../src/registry/start-registry.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { RealEtcd } from "../../src/testing/real-etcd.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const log = pino({ level: "silent" });
const SERVICE = "/v1/services/users/instances";

function place(members: readonly RealEtcd[]) {
  const etcd = { user: "", password: "", ca: "", cert: "", key: "", insecure: false, timeout: 3000 };
  return { urls: members.map(({ url }) => url), prefix: "/weft/registry/", etcd };
}

async function startOn(t: TestContext, members: readonly RealEtcd[]): Promise<RunningRegistry> {
  const registry = await startRegistry({ path: "", etcd: place(members), port: 0, log });
  t.after(() => registry.close());
  return registry;
}

async function call(
  { url }: RunningRegistry,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(url + path, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    json: (text.startsWith("{") ? JSON.parse(text) : {}) as Record<string, unknown>,
  };
}

async function addresses(registry: RunningRegistry, query = ""): Promise<string> {
  const { json } = await call(registry, "GET", SERVICE + query);
  const instances = (json["instances"] ?? []) as InstanceJson[];
  return instances
    .map(({ address, state }) => `${address} ${state}`)
    .sort()
    .join(", ");
}

peerTest(
  "weft registry on etcd: replicas agree, leases end with a reason, members may die",
  ["etcd"],
  async (t) => {
    const members = await RealEtcd.startCluster(t, 3);
    const a = await startOn(t, members);
    const b = await startOn(t, members.toReversed());

    await t.test("what one replica answered, the other tells", async () => {
      assert.equal((await call(a, "PUT", `${SERVICE}/10.0.0.1:80`, { weight: 3, zone: "z" })).status, 201);
      await waitUntil("b has it", async () => (await addresses(b)) === "10.0.0.1:80 up");
      assert.equal((await call(b, "PUT", `${SERVICE}/10.0.0.1:80/weight`, { weight: 7 })).status, 200);
      await waitUntil("a has the weight", async () => {
        const { json } = await call(a, "GET", `${SERVICE}/10.0.0.1:80`);
        return json["weight"] === 7 && json["expires_at"] === null;
      });
    });

    await t.test("a write sees what another replica wrote just before", async () => {
      for (let i = 0; i < 20; i++) {
        const path = `${SERVICE}/10.0.1.${i}:80`;
        assert.equal((await call(a, "PUT", path, {})).status, 201);
        assert.equal((await call(b, "POST", `${path}/renew`)).status, 200, "registered in this moment");
        assert.equal((await call(b, "DELETE", path)).status, 200);
        assert.equal((await call(a, "POST", `${path}/renew`)).status, 409, "deregistered in this moment");
      }
    });

    await t.test("many replicas change one instance at once and lose nothing", async () => {
      const path = `${SERVICE}/10.0.0.1:80`;
      const writes = Array.from({ length: 12 }, (_, i) =>
        call(i % 2 === 0 ? a : b, "PUT", path, { metadata: { last: i } }),
      );
      for (const { status } of await Promise.all(writes)) assert.equal(status, 200);
      const got = await Promise.all([a, b].map(async (each) => (await call(each, "GET", path)).json));
      await waitUntil("both say the same", async () => {
        const [left, right] = await Promise.all(
          [a, b].map(async (each) => (await call(each, "GET", path)).json),
        );
        return JSON.stringify(left!["metadata"]) === JSON.stringify(right!["metadata"]);
      });
      assert.ok(got.every((json) => json["weight"] === 7));
    });

    await t.test("a lease renewed by turns stays, one that is not ends with a reason", async () => {
      const kept = `${SERVICE}/10.0.0.2:80`;
      const left = `${SERVICE}/10.0.0.3:80`;
      for (const path of [kept, left])
        assert.equal((await call(a, "PUT", path, { lease_seconds: 2 })).status, 201);
      for (let i = 0; i < 12; i++) {
        assert.equal((await call(i % 2 === 0 ? b : a, "POST", `${kept}/renew`)).status, 200);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      for (const each of [a, b]) {
        await waitUntil(
          "only the lease that ended is gone",
          async () =>
            (await addresses(each)).includes("10.0.0.2:80 up") &&
            !(await addresses(each)).includes("10.0.0.3:80"),
        );
        const { json } = await call(each, "GET", left);
        assert.equal(json["state"], "expired");
        assert.match(String(json["reason"]), /^lease expired at .*\(lease 2 s\)$/);
      }
      assert.equal((await call(b, "POST", `${left}/renew`)).status, 200, "a heartbeat brings it back");
      await waitUntil("a has it again", async () => (await addresses(a)).includes("10.0.0.3:80 up"));
      assert.equal((await call(a, "DELETE", left)).status, 200);
      assert.equal((await call(a, "DELETE", kept)).status, 200);
    });

    await t.test("a watch goes on at another replica where it was", async () => {
      const { json: first } = await call(a, "GET", "/v1/watch?wait=1s");
      await call(b, "PUT", `${SERVICE}/10.0.0.9:80`, {});
      const { json: second } = await call(b, "GET", `/v1/watch?index=${String(first["index"])}&wait=5s`);
      assert.equal(second["reset"], false);
      assert.deepEqual(
        (second["changes"] as { instance: InstanceJson }[]).map(({ instance }) => instance.address),
        ["10.0.0.9:80"],
      );
      await call(b, "DELETE", `${SERVICE}/10.0.0.9:80`);
    });

    await t.test("a member dies: reads and writes go on", async () => {
      await members[0]!.kill();
      for (const each of [a, b])
        assert.equal((await call(each, "PUT", `${SERVICE}/10.0.0.4:80`, {})).status < 300, true);
      await members[0]!.start();
    });

    await t.test(
      "without a majority what is known stays, and nothing is acknowledged that is not kept",
      async () => {
        const before = await addresses(a);
        await members[1]!.kill();
        await members[2]!.kill();
        const refused = await call(a, "PUT", `${SERVICE}/10.0.0.5:80`, {});
        assert.equal(refused.status, 503);
        assert.match(String(refused.json["error"]), /cannot write its store/);
        assert.equal(await addresses(a), before);
        assert.equal(await addresses(b), before);
        await Promise.all([members[1]!.start(), members[2]!.start()]);
        await waitUntil(
          "writes are taken again",
          async () => (await call(a, "PUT", `${SERVICE}/10.0.0.6:80`, {})).status === 201,
          15_000,
        );
        await waitUntil("b follows again", async () => (await addresses(b)).includes("10.0.0.6:80"), 15_000);
        for (const address of before.split(", ")) assert.ok((await addresses(b)).includes(address), address);
      },
    );

    await t.test("tokens hold for all replicas at once", async () => {
      const tokens = await openEtcdTokens(place(members));
      t.after(() => tokens.close());
      const token = await tokens.create("ci");
      const denied = async (each: RunningRegistry) =>
        (await call(each, "PUT", `${SERVICE}/10.0.0.8:80`, {})).status === 401;
      await waitUntil("a asks for it", () => denied(a));
      await waitUntil("b asks for it", () => denied(b));
      const authorization = `Bearer ${token}`;
      assert.equal((await call(b, "PUT", `${SERVICE}/10.0.0.7:80`, {}, { authorization })).status, 201);
      const { id, name } = (await tokens.list())[0]!;
      assert.equal(name, "ci");
      assert.ok(await tokens.revoke(id));
      assert.equal(await tokens.revoke("none"), false);
      await waitUntil("writes are open again", async () => !(await denied(a)));
    });

    await t.test(
      "a replica that starts has everything, and gives instances without a lease a full one",
      async () => {
        const c = await startOn(t, members);
        assert.equal(await addresses(c), await addresses(a));
      },
    );
  },
);

test("startRegistry() says where etcd is not to be reached", async () => {
  const nobody = place([{ url: "http://127.0.0.1:1" }] as RealEtcd[]);
  await assert.rejects(
    startRegistry({ path: "", etcd: nobody, port: 0, log }),
    /^Error: Cannot read the registry's store from etcd at http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/,
  );
});
