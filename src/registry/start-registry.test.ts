import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pino } from "pino";
import { FakeClock } from "../base/fake-clock.ts";
import type { ChangeJson, InstanceJson } from "./api/instance-json.ts";
import { waitUntil } from "../testing/wait-until.ts";
import { startRegistry } from "./start-registry.ts";
import type { RunningRegistry } from "./start-registry.ts";
import { createRegistryToken, listRegistryTokens, revokeRegistryToken } from "./token-table.ts";

const log = pino({ level: "silent" });
const folder = mkdtempSync(join(tmpdir(), "weft-registry-"));
let registry: RunningRegistry;

before(async () => {
  registry = await startRegistry({ path: join(folder, "main.db"), port: 0, log });
});
after(async () => {
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Reply<T> {
  status: number;
  headers: Headers;
  json: T;
}

async function call<T = { error: string; field?: string; allowed?: string }>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  base = registry.url,
): Promise<Reply<T>> {
  const init: RequestInit = { method, headers };
  if (body instanceof URLSearchParams) init.body = body;
  else if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(base + path, init);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    json: (text.startsWith("{") ? JSON.parse(text) : text) as T,
  };
}

test("PUT registers, GET lists, and a known service without instances is told apart from an unknown one", async () => {
  const path = "/v1/services/users/instances";
  assert.equal((await call("GET", path)).status, 404);
  const put = await call<InstanceJson>("PUT", `${path}/10.0.0.1:80`, {
    zone: "z1",
    weight: 3,
    metadata: { canary: true },
  });
  assert.equal(put.status, 201);
  assert.equal(put.json.state, "up");
  assert.equal(put.json.lease_seconds, 30);
  const again = await call<InstanceJson>("PUT", `${path}/10.0.0.1:80`, {});
  assert.equal(again.status, 200);
  assert.equal(again.json.weight, 3);
  assert.equal((await call("PUT", `${path}/%5B2001:db8:0::1%5D:81`, {})).status, 201);
  const list = await call<{ instances: InstanceJson[] }>("GET", path);
  assert.deepEqual(
    list.json.instances.map((one) => one.address),
    ["10.0.0.1:80", "[2001:db8::1]:81"],
  );
  await call("DELETE", `${path}/10.0.0.1:80`);
  await call("DELETE", `${path}/[2001:db8::1]:81`);
  const empty = await call<{ instances: InstanceJson[] }>("GET", path);
  assert.equal(empty.status, 200);
  assert.deepEqual(empty.json.instances, []);
  const all = await call<{ instances: InstanceJson[] }>("GET", `${path}?state=all`);
  assert.equal(all.json.instances[0]?.reason, "deregistered by request");
});

test("drain, undrain, weight, health and renew change one instance and refuse what is gone", async () => {
  const path = "/v1/services/orders/instances/10.0.0.2:80";
  assert.equal((await call("POST", `${path}/renew`)).status, 404);
  await call("PUT", path, {});
  assert.equal(
    (await call<InstanceJson>("POST", `${path}/drain`, { reason: "deploy 7" })).json.reason,
    "deploy 7",
  );
  assert.equal((await call<InstanceJson>("PUT", path, {})).json.state, "draining");
  assert.equal((await call<InstanceJson>("DELETE", `${path}/drain`)).json.state, "up");
  assert.equal((await call<InstanceJson>("PUT", `${path}/weight`, { weight: 9 })).json.weight, 9);
  assert.equal(
    (await call<InstanceJson>("PUT", `${path}/health`, { health: "degraded" })).json.health,
    "degraded",
  );
  assert.equal((await call("POST", `${path}/renew`)).status, 200);
  await call("DELETE", path);
  assert.equal((await call("POST", `${path}/renew`)).status, 409);
  assert.equal((await call("PUT", `${path}/weight`, { weight: 9 })).status, 409);
});

test("bad input gives 400 with the field and what is allowed", async () => {
  const path = "/v1/services/bad/instances";
  const cases: [string, unknown, string][] = [
    [`${path}/10.0.0.1:80`, { weight: 0 }, "weight"],
    [`${path}/10.0.0.1:80`, { wieght: 1 }, "wieght"],
    [`${path}/10.0.0.1:80`, { health: "ill" }, "health"],
    [`${path}/10.0.0.1:80`, { zone: "a\nb" }, "zone"],
    [`${path}/10.0.0.1:80`, { metadata: { a: { b: 1 } } }, "metadata.a"],
    [`${path}/10.0.0.1:80/weight`, {}, "weight"],
    [`${path}/10.0.0.300:80`, {}, "address"],
    [`${path}/10.0.0.1:65536`, {}, "address"],
    ["/v1/services/b%20d/instances/10.0.0.1:80", {}, "service"],
  ];
  for (const [at, body, field] of cases) {
    const reply = await call("PUT", at, body);
    assert.equal(reply.status, 400, `${at} ${JSON.stringify(body)}`);
    assert.equal(reply.json.field, field);
    assert.ok(reply.json.allowed);
    assert.ok(reply.json.error);
  }
  assert.equal((await fetch(`${registry.url}${path}/10.0.0.1:80`, { method: "PUT", body: "{" })).status, 400);
  assert.equal((await call("PUT", `${path}/10.0.0.1:80`, { zone: "x".repeat(70_000) })).status, 413);
  assert.equal((await call("GET", "/v1/services/bad/instances")).status, 404, "nothing came of it");
});

interface WatchReply {
  index: number;
  reset: boolean;
  services?: string[];
  changes: ChangeJson[];
}

test("GET /v1/watch waits for a change, filters by service, and gives the same index when nothing came", async () => {
  const start = await call<WatchReply>("GET", "/v1/watch");
  assert.equal(start.json.reset, true);
  const { index } = start.json;
  const idle = await call<WatchReply>("GET", `/v1/watch?index=${index}&wait=20ms`);
  assert.deepEqual(idle.json, { index, reset: false, changes: [] });
  const waiting = call<WatchReply>("GET", `/v1/watch?index=${index}&service=watched`);
  await call("PUT", "/v1/services/other/instances/10.0.0.3:80", {});
  await call("PUT", "/v1/services/watched/instances/10.0.0.3:80", {});
  const woken = await waiting;
  assert.equal(woken.json.changes.length, 1);
  assert.equal(woken.json.index, index + 2);
  assert.equal((await call<WatchReply>("GET", `/v1/watch?index=${index + 1000}`)).json.reset, true);
  assert.equal((await call("GET", "/v1/watch?wait=1h")).json.field, "wait");
});

test("GET /v1/watch streams events that can be resumed", async () => {
  const { index } = (await call<WatchReply>("GET", "/v1/watch")).json;
  await call("PUT", "/v1/services/stream/instances/10.0.0.4:80", {});
  await call("PUT", "/v1/services/stream/instances/10.0.0.5:80", {});
  const read = async (from: number, until: number): Promise<string> => {
    const stop = new AbortController();
    const headers = { accept: "text/event-stream", "last-event-id": String(from) };
    const response = await fetch(`${registry.url}/v1/watch`, { headers, signal: stop.signal });
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    let text = "";
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk).toString();
      if (text.includes(`id: ${until}\n`) && text.endsWith("\n\n")) break;
    }
    stop.abort();
    return text;
  };
  assert.match(
    await read(index, index + 2),
    /id: \d+\nevent: put\ndata: .*10\.0\.0\.4.*\n\nid: \d+\nevent: put\ndata: .*10\.0\.0\.5/,
  );
  assert.doesNotMatch(await read(index + 1, index + 2), /10\.0\.0\.4/);
  assert.match(await read(1, index + 2), /event: reset\ndata: \{"index"/);
  await waitUntil("the registry noticed that its clients went away", async () =>
    /watch_clients 0\n/.test((await call<string>("GET", "/metrics")).json),
  );
});

test("lyft/discovery's calls work over the same instances, with the port in the identity", async () => {
  const unknown = await call<{ hosts: object[] }>("GET", "/v1/registration/lyft");
  assert.deepEqual(unknown.json, { env: "development", service: "lyft", hosts: [] } as object);
  assert.equal(unknown.headers.get("x-weft-unknown-service"), "true");
  const tags = { az: "us-east-1a", region: "us-east-1", instance_id: "i-1", canary: true };
  const form = (port: number, more: object = {}) =>
    new URLSearchParams({
      ip: "10.1.0.1",
      port: String(port),
      revision: "abc",
      tags: JSON.stringify({ ...tags, ...more }),
    });
  assert.deepEqual((await call("POST", "/v1/registration/lyft", form(80))).json, {} as object);
  await call("POST", "/v1/registration/lyft", form(81, { load_balancing_weight: 7 }));
  assert.equal(
    (
      await call(
        "POST",
        "/v1/loadbalancing/lyft/10.1.0.1:80",
        new URLSearchParams({ load_balancing_weight: "50" }),
      )
    ).status,
    204,
  );
  await call("POST", "/v1/registration/lyft", form(80));
  const list = await call<{ hosts: { port: number; tags: Record<string, unknown> }[] }>(
    "GET",
    "/v1/registration/lyft",
  );
  assert.equal(list.headers.get("x-weft-unknown-service"), null);
  assert.deepEqual(
    list.json.hosts.map((host) => [host.port, host.tags]),
    [
      [80, { ...tags, load_balancing_weight: 50 }],
      [81, { ...tags, load_balancing_weight: 7 }],
    ],
  );
  const native = await call<{ instances: InstanceJson[] }>("GET", "/v1/services/lyft/instances");
  assert.equal(native.json.instances[0]?.zone, "us-east-1a");
  assert.equal(native.json.instances[0]?.lease_seconds, 600);
  assert.equal((await call("DELETE", "/v1/registration/lyft/10.1.0.1")).status, 400, "two ports, none named");
  assert.equal((await call("DELETE", "/v1/registration/lyft/10.1.0.1:81")).status, 200);
  assert.equal((await call("DELETE", "/v1/registration/lyft/10.1.0.1")).status, 200);
  assert.equal((await call("DELETE", "/v1/registration/lyft/10.1.0.1")).status, 400);
  assert.equal(
    (
      await call(
        "POST",
        "/v1/loadbalancing/lyft/10.9.9.9",
        new URLSearchParams({ load_balancing_weight: "5" }),
      )
    ).status,
    404,
  );
  assert.equal(
    (await call("POST", "/v1/loadbalancing/lyft", new URLSearchParams({ load_balancing_weight: "101" })))
      .status,
    400,
  );
  const bad = await call(
    "POST",
    "/v1/registration/lyft",
    new URLSearchParams({ ip: "10.1.0.1", port: "80", revision: "a", tags: "{}" }),
  );
  assert.equal(bad.json.field, "tags.az");
});

interface Discovery {
  version_info: string;
  resources: {
    cluster_name: string;
    endpoints?: { locality: object; lb_endpoints: { health_status: string }[] }[];
  }[];
}

test("POST /v3/discovery:endpoints gives assignments with a content version, and 304 when it is known", async () => {
  await call("PUT", "/v1/services/eds/instances/10.2.0.1:80", { zone: "a", region: "r", version: "1" });
  await call("PUT", "/v1/services/eds/instances/10.2.0.2:80", { zone: "b", region: "r" });
  await call("POST", "/v1/services/eds/instances/10.2.0.2:80/drain");
  // Envoy sends about 80 KB of these.
  const extensions = Array.from({ length: 1000 }, (_, at) => ({ name: `${"extension".repeat(10)}${at}` }));
  const ask = (version: string, names: string[]) =>
    call<Discovery>("POST", "/v3/discovery:endpoints", {
      node: { id: "n", extensions },
      version_info: version,
      resource_names: names,
    });
  const first = await ask("", ["eds", "nowhere"]);
  assert.equal(first.status, 200);
  assert.equal(first.json.resources.length, 1, "the unknown one is left out");
  assert.deepEqual(first.json.resources[0]?.endpoints?.[0]?.locality, { region: "r", zone: "a" });
  assert.equal(first.json.resources[0]?.endpoints?.[1]?.lb_endpoints[0]?.health_status, "DRAINING");
  assert.equal((await ask(first.json.version_info, ["eds", "nowhere"])).status, 304);
  await call("POST", "/v1/services/eds/instances/10.2.0.1:80/renew");
  assert.equal(
    (await ask(first.json.version_info, ["eds", "nowhere"])).status,
    304,
    "a renewal changes nothing",
  );
  await call("DELETE", "/v1/services/eds/instances/10.2.0.1:80");
  await call("DELETE", "/v1/services/eds/instances/10.2.0.2:80");
  const empty = await ask(first.json.version_info, ["eds"]);
  assert.equal(empty.json.resources[0]?.cluster_name, "eds");
  assert.equal(empty.json.resources[0]?.endpoints, undefined);
  assert.equal(
    (await call("POST", "/v3/discovery:endpoints", { resource_names: "eds" })).json.field,
    "resource_names",
  );
});

test("a lease that is not renewed ends as a state with a reason, seen by watchers and metrics", async () => {
  const path = "/v1/services/mortal/instances/10.3.0.1:80";
  await call("PUT", path, { lease_seconds: 1 });
  const { index } = (await call<WatchReply>("GET", "/v1/watch")).json;
  const woken = await call<WatchReply>("GET", `/v1/watch?index=${index}&service=mortal&wait=3s`);
  const [change] = woken.json.changes;
  assert.equal(change?.type === "put" && change.instance.state, "expired");
  assert.match(
    (await call<InstanceJson>("GET", path)).json.reason,
    /^lease expired at .* after last renewal .* \(lease 1 s\)$/,
  );
  const metrics = (await call<string>("GET", "/metrics")).json;
  assert.match(metrics, /weft_registry_leases_expired_total 1\n/);
  assert.match(metrics, /weft_registry_instances\{state="expired"\} 1\n/);
  assert.equal((await call<InstanceJson>("POST", `${path}/renew`)).json.state, "up");
});

test("writes need a token once one is made, and no longer when the last is revoked", async () => {
  const path = join(folder, "tokens.db");
  const own = await startRegistry({ path, port: 0, log });
  const put = (headers?: Record<string, string>) =>
    call("PUT", "/v1/services/users/instances/10.0.0.1:80", {}, headers, own.url);
  assert.equal((await put()).status, 201);
  const { id, token } = createRegistryToken(path, "ci");
  const denied = await put();
  assert.equal(denied.status, 401);
  assert.match(denied.headers.get("www-authenticate") ?? "", /^Bearer realm=/);
  assert.equal((await put({ authorization: `Bearer ${token.slice(0, -1)}!` })).status, 401);
  assert.equal((await put({ authorization: `Bearer ${token}` })).status, 200);
  assert.equal((await call("GET", "/v1/services", undefined, {}, own.url)).status, 200, "reads stay open");
  assert.equal(listRegistryTokens(path)[0]?.name, "ci");
  assert.equal(revokeRegistryToken(path, id), true);
  assert.equal((await put()).status, 200);
  await own.close();
});

test("startRegistry() gives restarted leases a full period, and refuses a second copy and a busy port in one line", async () => {
  const path = join(folder, "again.db");
  const clock = new FakeClock();
  let own = await startRegistry({ path, port: 0, log, clock });
  await call("PUT", "/v1/services/users/instances/10.0.0.1:80", { lease_seconds: 60 }, {}, own.url);
  await assert.rejects(
    startRegistry({ path, port: 0, log }),
    /Cannot open the registry's store ".*": another registry runs on it/,
  );
  const port = Number(new URL(own.url).port);
  await assert.rejects(
    startRegistry({ path: ":memory:", port, log }),
    /Cannot listen on 127\.0\.0\.1:\d+: another program listens there; .*EADDRINUSE/,
  );
  await own.close();
  clock.advance(3_600_000);
  own = await startRegistry({ path, port: 0, log, clock });
  clock.advance(1000);
  const found = await call<InstanceJson>(
    "GET",
    "/v1/services/users/instances/10.0.0.1:80",
    undefined,
    {},
    own.url,
  );
  assert.equal(found.json.state, "up");
  await own.close();
});

test("GET /openapi.json describes each operation; unknown paths say where to look", async () => {
  const document = (
    await call<{ paths: Record<string, Record<string, { operationId: string }>> }>("GET", "/openapi.json")
  ).json;
  assert.equal(
    document.paths["/v1/services/{service}/instances/{address}"]?.["put"]?.operationId,
    "register",
  );
  assert.equal(document.paths["/v3/discovery:endpoints"]?.["post"]?.operationId, "discoverEndpoints");
  assert.match((await call("GET", "/v2/none")).json.error, /openapi\.json/);
  for (const path of ["/healthz", "/readyz", "/healthcheck"])
    assert.equal((await call("GET", path)).status, 200);
});
