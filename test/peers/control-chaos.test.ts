import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { TestContext } from "node:test";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { ScriptedBlocking } from "../../src/testing/scripted-blocking.ts";
import { ScriptedHttp, type ScriptedAnswer } from "../../src/testing/scripted-http.ts";
import { TcpRelay } from "../../src/testing/tcp-relay.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh, get, Load, startNamed, type Services } from "./control-mesh.ts";
import { ControlReplica } from "./control-replica.ts";

// Everything around real proxies goes wrong under load, and no request may fail. WEFT_CHAOS_ROUNDS makes it longer.

const ROUNDS = Number(process.env["WEFT_CHAOS_ROUNDS"] ?? 1);
const CONVERGED_MS = 20_000;

function bootstrap(control: number, nodeId = "edge-1"): Record<string, unknown> {
  return proxyBootstrap({ control: `127.0.0.1:${control}`, nodeId, cluster: "edge", adminPort: 0 });
}

function edgePolicy(services: readonly string[], more: object = {}): object {
  const routes = services.map((service) => ({ prefix: `/${service}`, service }));
  return { edge: { listen: "127.0.0.1:0", routes }, retries: { attempts: 0 }, ...more };
}

async function reaches(port: number, path: string, name: string): Promise<number> {
  const begun = performance.now();
  await waitUntil(
    `${path} reaches ${name}`,
    async () => (await get(port, path)) === `200 ${name}`,
    CONVERGED_MS,
  );
  return Math.round(performance.now() - begun);
}

function startLoad(context: TestContext, port: number, path: string): Load {
  const load = new Load(port, path);
  context.after(() => load.stop());
  return load;
}

/** Every request was answered with 200. */
async function finish(
  context: TestContext,
  loads: readonly Load[],
  times: readonly number[] = [],
): Promise<void> {
  for (const load of loads) await load.stop();
  const total = loads.reduce((sum, load) => sum + load.total, 0);
  const failures = loads.flatMap((load) => load.failures);
  context.diagnostic(
    `${total} requests, ${failures.length} kinds of failures, converged in ${times.join(", ")} ms`,
  );
  assert.deepEqual(failures, []);
  assert.ok(total > 100, `only ${total} requests`);
}

/** A service that three kinds of registries know: what a registry says when all is well, and how it breaks. */
interface Registry {
  readonly service: string;
  readonly source: string;
  /** Every question from now on is answered like this, or truly again. */
  break(answer: ScriptedAnswer | undefined): void;
  move(ports: readonly number[]): void;
  /** What it says when it has half, and nothing. */
  readonly half: ScriptedAnswer;
  readonly empty: ScriptedAnswer;
  /** How often it gave a broken answer. */
  readonly broken: number;
}

/** Says the truth, or what it was told to say in its place. */
class BreakableServer {
  url = "";
  broken = 0;
  #answer: ScriptedAnswer | undefined;

  static async start(context: TestContext, truth: () => ScriptedAnswer): Promise<BreakableServer> {
    const breakable = new BreakableServer();
    const { url } = await ScriptedHttp.start(context, () => breakable.#next() ?? truth());
    breakable.url = url;
    return breakable;
  }

  break(answer: ScriptedAnswer | undefined): void {
    this.#answer = answer;
  }

  #next(): ScriptedAnswer | undefined {
    if (this.#answer !== undefined) this.broken++;
    return this.#answer;
  }
}

async function startHttp(context: TestContext, [one]: readonly number[]): Promise<Registry> {
  const document = (ports: readonly number[]) => ({
    services: { users: { instances: ports.map((port) => ({ ip: "127.0.0.1", port })) } },
  });
  let truth: ScriptedAnswer = document([one!]);
  const server = await BreakableServer.start(context, () => truth);
  return {
    service: "users",
    source: `http:url=${server.url}/mesh.json,interval=30ms,timeout=300ms`,
    break: (answer) => server.break(answer),
    move: (ports) => (truth = document(ports)),
    half: JSON.stringify(document([one!])).slice(0, 40),
    empty: { services: {} },
    get broken() {
      return server.broken;
    },
  };
}

async function startLyft(context: TestContext, ports: readonly number[]): Promise<Registry> {
  const hosts = (list: readonly number[]) => ({
    hosts: list.map((port) => ({ ip_address: "127.0.0.1", port, last_check_in: new Date().toISOString() })),
  });
  let truth: ScriptedAnswer = hosts(ports);
  const server = await BreakableServer.start(context, () => truth);
  return {
    service: "orders",
    source: `lyft:url=${server.url},services=orders,interval=30ms,timeout=300ms`,
    break: (answer) => server.break(answer),
    move: (list) => (truth = hosts(list)),
    half: { hosts: [{ ip_address: "127.0.0.1" }, { port: 1 }] },
    empty: { hosts: [] },
    get broken() {
      return server.broken;
    },
  };
}

const EMPTY = "[]";

async function startConsul(context: TestContext, ports: readonly number[]): Promise<Registry> {
  const path = "/v1/health/service/stock";
  const entries = (list: readonly number[]) =>
    list.map((port) => ({
      Node: { Node: "n1", Address: "127.0.0.1" },
      Service: { ID: `stock-${port}`, Service: "stock", Port: port },
      Checks: [],
    }));
  const consul = await ScriptedBlocking.start(context, "x-consul-index");
  let broken = 0;
  consul.set("/v1/catalog/services", { stock: [] });
  consul.set(path, entries(ports));
  return {
    service: "stock",
    source: `consul:url=${consul.http.url},timeout=300ms`,
    break(answer) {
      // The list of services is an object: an empty array is not one.
      const meets = (asked: string) => answer !== EMPTY || asked === path;
      consul.fault =
        answer === undefined ? undefined : (asked) => (meets(asked) ? (broken++, answer) : undefined);
      consul.wake();
      // It may be silent for minutes: nothing has changed. Here it starts anew.
      if (answer === undefined) consul.http.breakConnections();
    },
    move: (list) => consul.set(path, entries(list)),
    half: "[{",
    empty: EMPTY,
    get broken() {
      return broken;
    },
  };
}

peerTest("Sources are empty, half, broken, slow, silent, and out of time", ["envoy"], async (context) => {
  const mesh = new ControlMesh(context);
  const [one, two] = [await startNamed(context, "one"), await startNamed(context, "two")];
  const others = await Promise.all(["three", "four", "five"].map((name) => startNamed(context, name)));
  const registries = await Promise.all(
    [startHttp, startLyft, startConsul].map(async (start) => start(context, [one])),
  );
  const names = registries.map(({ service }) => service);
  mesh.writePolicy(edgePolicy(names));
  const { xdsPort, apiPort } = await mesh.start({ sources: registries.map(({ source }) => source) });
  await waitUntil("it is ready", async () => (await mesh.api<string>("/readyz")) === "OK\n");
  const ports: number[] = [];
  for (const kind of ["envoy", "weft"] as const)
    ports.push((await mesh.proxy(kind, bootstrap(xdsPort, kind))).ports.get("edge")!);
  const loads = ports.flatMap((port) => names.map((name) => startLoad(context, port, `/${name}`)));
  const faults: Record<string, (registry: Registry) => ScriptedAnswer> = {
    empty: ({ empty }) => empty,
    half: ({ half }) => half,
    "an error": () => ({ status: 500, body: "throttled" }),
    junk: () => "<html>It works!</html>",
    nothing: () => "",
    silence: () => () => {},
    "a broken connection": () => (request) => request.socket.destroy(),
    "another time": ({ empty }) => ({
      status: 200,
      body: empty,
      headers: { date: "Thu, 01 Jan 1970 00:00:00 GMT", "last-modified": "Fri, 01 Jan 2100 00:00:00 GMT" },
    }),
  };
  const times: number[] = [];
  /** How many endpoints of its service proxies are told. */
  const count = async ({ service }: Registry) => {
    const { services } = await mesh.api<{ services: { name: string; endpoints: object[] }[] }>(
      "/v1/services",
    );
    return services.find(({ name }) => name === service)?.endpoints.length;
  };
  const wellAgain = async ({ source }: Registry) => {
    const { sources } = await mesh.api<{ sources: { name: string; error: string }[] }>("/v1/sources");
    return sources.find(({ name }) => source.startsWith(`${name}:`))?.error === "";
  };
  for (let round = 0; round < ROUNDS; round++) {
    const suffer = async (registry: Registry): Promise<void> => {
      for (const [name, fault] of Object.entries(faults)) {
        const before = registry.broken;
        registry.break(fault(registry));
        const what = `${registry.service} meets ${name}`;
        await waitUntil(what, () => registry.broken > before, CONVERGED_MS);
        assert.equal(await count(registry), 1, what);
        registry.break(undefined);
        await waitUntil("it is well again", async () => wellAgain(registry), CONVERGED_MS);
      }
    };
    await Promise.all(registries.map(suffer));
    // Most endpoints vanish, and the clock of the control plane jumps over the end of that hold. (What a document or Consul
    // leaves out is meant.)
    const lyft = registries[1]!;
    lyft.move([one, two, ...others]);
    await waitUntil("all endpoints are known", async () => (await count(lyft)) === 5, CONVERGED_MS);
    lyft.move([one]);
    await waitUntil(
      "they are held",
      () => mesh.log.some((line) => line.startsWith("holding 5 endpoints of orders: 4 of 5")),
      CONVERGED_MS,
    );
    const real = Date.now.bind(Date);
    const jump = context.mock.method(Date, "now", () => real() + 86_400_000);
    await pause(1500);
    jump.mock.restore();
    assert.equal(await count(lyft), 5);
    await fetch(`http://127.0.0.1:${apiPort}/v1/holds/${lyft.service}`, { method: "DELETE" });
    for (const [port, name] of [
      [two, "two"],
      [one, "one"],
    ] as const) {
      for (const registry of registries) registry.move([port]);
      for (const proxy of ports)
        for (const service of names) times.push(await reaches(proxy, `/${service}`, name));
    }
  }
  await finish(context, loads, times);
});

peerTest("The control plane is killed in the middle of pushes", ["envoy"], async (context) => {
  const mesh = new ControlMesh(context);
  const [one, two] = [await startNamed(context, "one"), await startNamed(context, "two")];
  const services = (port: number, turn: number): Services => ({
    users: [port],
    ...Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`s${i}`, [port, 1 + ((turn * 7 + i) % 60_000)]]),
    ),
  });
  const names = Array.from({ length: 100 }, (_, i) => `s${i}`);
  mesh.writeServices(services(one, 0));
  mesh.writePolicy(edgePolicy(["users", ...names]));
  const control = await ControlReplica.make(context, [
    "--source",
    `file:path=${mesh.sources}`,
    "--mesh",
    mesh.policyFile,
    "--last-good",
    join(mesh.folder, "last-good.json"),
  ]);
  await control.start();
  const edge = (await mesh.envoy(bootstrap(control.xdsPort))).ports.get("edge")!;
  const load = startLoad(context, edge, "/users");
  const times: number[] = [];
  for (let round = 0; round < 2 * ROUNDS; round++) {
    for (let turn = 1; turn <= 10; turn++) {
      mesh.writeServices(services(one, turn));
      mesh.writePolicy(edgePolicy(["users", ...names.slice(turn)], { connect_timeout_ms: 500 + turn }));
      await pause(30);
    }
    await control.kill();
    // When it comes back, the source cannot be read.
    writeFileSync(join(mesh.sources, "services.json"), "services: [");
    await control.start();
    assert.match(control.log, /serving the last known good catalog/);
    await waitUntil("Envoy is back", async () => (await control.nodes()).length > 0, CONVERGED_MS);
    for (const [port, name] of [
      [two, "two"],
      [one, "one"],
    ] as const) {
      mesh.writeServices(services(port, round));
      times.push(await reaches(edge, "/users", name));
    }
  }
  await finish(context, [load], times);
});

peerTest("A policy that Envoy refuses again and again, and then mended", ["envoy"], async (context) => {
  const mesh = new ControlMesh(context);
  const [one, two] = [await startNamed(context, "one"), await startNamed(context, "two")];
  const policy = (orders: object) => edgePolicy(["users", "orders"], { services: { orders } });
  mesh.writeServices({ users: [one], orders: [one] });
  mesh.writePolicy(policy({}));
  const { xdsPort } = await mesh.start();
  const edge = (await mesh.envoy(bootstrap(xdsPort))).ports.get("edge")!;
  const loads = ["/users", "/orders"].map((path) => startLoad(context, edge, path));
  const times: number[] = [];
  const rounds = 4 * ROUNDS;
  for (let round = 0; round < rounds; round++) {
    const ring = { minimum_ring_size: 2000 + round, maximum_ring_size: 1000 };
    mesh.writePolicy(policy({ envoy: { cluster: { lb_policy: "RING_HASH", ring_hash_lb_config: ring } } }));
    await waitUntil(`refusal ${round}`, () => rejections(mesh) === round + 1, CONVERGED_MS);
    // All else goes on: the endpoints of this service and of others.
    const [port, name] = round % 2 === 0 ? ([two, "two"] as const) : ([one, "one"] as const);
    mesh.writeServices({ users: [port], orders: [port] });
    for (const path of ["/users", "/orders"]) times.push(await reaches(edge, path, name));
  }
  mesh.writePolicy(policy({ connect_timeout_ms: 777 }));
  await mesh.synced("edge-1");
  assert.equal(rejections(mesh), rounds, "each is refused once: it is not sent again and again");
  await finish(context, loads, times);
});

function rejections(mesh: ControlMesh): number {
  return mesh.log.filter((line) => line.includes("rejects")).length;
}

peerTest("10,000 endpoints in 250 services come and go", ["envoy"], async (context) => {
  const mesh = new ControlMesh(context);
  const [one, two] = [await startNamed(context, "one"), await startNamed(context, "two")];
  const churned = (turn: number, live: number): Services => ({
    users: [live],
    ...Object.fromEntries(
      Array.from({ length: 250 }, (_, s) => [
        `s${s}`,
        Array.from({ length: 40 }, (__, i) => ({
          ip: `10.${turn % 10}.${s}.${i + ((s + turn) % 7)}`,
          port: 80,
        })),
      ]),
    ),
  });
  const names = Array.from({ length: 250 }, (_, s) => `s${s}`);
  mesh.writeServices(churned(0, one));
  mesh.writePolicy(edgePolicy(["users", ...names]));
  const { xdsPort } = await mesh.start();
  const ports: number[] = [];
  for (const kind of ["envoy", "weft"] as const)
    ports.push((await mesh.proxy(kind, bootstrap(xdsPort, kind))).ports.get("edge")!);
  const loads = ports.map((port) => startLoad(context, port, "/users"));
  const times: number[] = [];
  for (let turn = 1; turn <= 5 * ROUNDS; turn++) {
    const [port, name] = turn % 2 === 1 ? ([two, "two"] as const) : ([one, "one"] as const);
    mesh.writeServices(churned(turn, port));
    const reached = await Promise.all(ports.map(async (each) => reaches(each, "/users", name)));
    times.push(Math.max(...reached));
  }
  await mesh.synced("envoy");
  await mesh.synced("weft");
  await finish(context, loads, times);
});

peerTest(
  "A proxy that no longer reads holds nobody up, and gets the newest state",
  ["envoy"],
  async (context) => {
    const mesh = new ControlMesh(context);
    const [one, two] = [await startNamed(context, "one"), await startNamed(context, "two")];
    mesh.writeServices({ users: [one] });
    mesh.writePolicy(edgePolicy(["users"]));
    const { xdsPort } = await mesh.start();
    const relay = await TcpRelay.start(context, xdsPort);
    const stalled = (await mesh.envoy(bootstrap(relay.port, "stalled"))).ports.get("edge")!;
    const lively = (await mesh.envoy(bootstrap(xdsPort, "lively"))).ports.get("edge")!;
    const loads = [stalled, lively].map((port) => startLoad(context, port, "/users"));
    await mesh.synced("stalled");
    relay.block(true);
    const times: number[] = [];
    for (let turn = 0; turn < 10 * ROUNDS; turn++) {
      const [port, name] = turn % 2 === 0 ? ([two, "two"] as const) : ([one, "one"] as const);
      mesh.writeServices({ users: [port] });
      times.push(await reaches(lively, "/users", name));
    }
    assert.equal(await get(stalled, "/users"), "200 one");
    mesh.writeServices({ users: [two] });
    await reaches(lively, "/users", "two");
    relay.block(false);
    times.push(await reaches(stalled, "/users", "two"));
    await finish(context, loads, times);
  },
);
