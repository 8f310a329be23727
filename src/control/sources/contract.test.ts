// What every source over HTTP owes, whatever its server says.
import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { ScriptedHttp } from "../../testing/scripted-http.ts";
import { describeReading, WatchedSource } from "../../testing/watched-source.ts";
import { SourceState } from "../catalog/hold.ts";
import type { Reading } from "../model.ts";
import { sources } from "./index.ts";

interface Peer {
  readonly source: string;
  /** Options besides the server's address. */
  readonly options: string;
  /** What the server says to a GET of each path when all is well; two endpoints of "users". */
  readonly pages: Readonly<Record<string, unknown>>;
  /** Header that goes with all answers. */
  readonly header?: string;
  /** Paths that never end. */
  readonly streams?: readonly string[];
}

const document = { services: { users: { instances: [1, 2].map((port) => ({ ip: "10.0.0.1", port })) } } };
const peers: readonly Peer[] = [
  { source: "http", options: "interval=10ms", pages: { "/": document } },
  {
    source: "lyft",
    options: "services=users,interval=10ms",
    pages: {
      "/v1/registration/users": {
        hosts: [1, 2].map((port) => ({
          ip_address: "10.0.0.1",
          port,
          tags: { az: "a", load_balancing_weight: 1 },
        })),
      },
    },
  },
  {
    source: "consul",
    options: "",
    header: "x-consul-index",
    pages: {
      "/v1/catalog/services": { users: [] },
      "/v1/health/service/users": [1, 2].map((port) => ({
        Node: { Node: "n", Address: "10.0.0.1" },
        Service: { Service: "users", Port: port },
        Checks: [{ CheckID: "c", Status: "passing" }],
      })),
    },
  },
  {
    source: "nomad",
    options: "",
    header: "x-nomad-index",
    pages: {
      "/v1/services": [{ Namespace: "default", Services: [{ ServiceName: "users", Tags: [] }] }],
      "/v1/service/users": [1, 2].map((port) => ({ Address: "10.0.0.1", Port: port, Tags: [] })),
    },
  },
  {
    source: "etcd",
    options: "",
    streams: ["/v3/watch"],
    pages: {
      "/v3/kv/range": {
        header: { revision: "5" },
        kvs: [1, 2].map((port) => ({
          key: btoa(`/services/users/${port}`),
          value: btoa(JSON.stringify({ ip: "10.0.0.1", port })),
        })),
      },
    },
  },
  {
    source: "docker",
    options: "",
    streams: ["/v1.41/events"],
    pages: {
      "/v1.41/containers/json": [1, 2].map((port) => ({
        Id: `c${port}`,
        Labels: { "weft.service": `users:${port}` },
        NetworkSettings: { Networks: { bridge: { IPAddress: "10.0.0.1" } } },
      })),
    },
  },
  {
    source: "eureka",
    options: "interval=10ms",
    pages: {
      "/apps": {
        applications: {
          application: [
            {
              name: "USERS",
              instance: [1, 2].map((port) => ({
                ipAddr: "10.0.0.1",
                status: "UP",
                port: { $: port, "@enabled": "true" },
              })),
            },
          ],
        },
      },
    },
  },
  {
    source: "marathon",
    options: "interval=10ms",
    pages: {
      "/v2/apps": {
        apps: [
          {
            id: "/users",
            instances: 2,
            labels: { tbn_cluster: "users" },
            tasks: [1, 2].map((port) => ({ host: "10.0.0.1", ports: [port] })),
          },
        ],
      },
    },
  },
  {
    source: "kubernetes",
    options: "namespaces=shop",
    pages: {
      "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices": {
        metadata: { resourceVersion: "5" },
        items: [1, 2].map((port) => ({
          metadata: {
            name: `users-${port}`,
            namespace: "shop",
            labels: { "kubernetes.io/service-name": "users" },
          },
          addressType: "IPv4",
          ports: [{ name: "http", port }],
          endpoints: [{ addresses: ["10.0.0.1"] }],
        })),
      },
    },
  },
];

/** A server that says `pages`, or what `spoil` makes of one of them. */
async function serve(t: Parameters<typeof ScriptedHttp.start>[0], peer: Peer) {
  const state: { spoil: ((text: string) => string) | undefined; path: string } = {
    spoil: undefined,
    path: "",
  };
  let index = 1;
  const server = await ScriptedHttp.start(t, (url) => {
    const watching = url.searchParams.get("watch") === "1" || peer.streams?.includes(url.pathname) === true;
    if (watching) return (_request, response) => response.flushHeaders();
    const page = peer.pages[url.pathname];
    if (page === undefined) return { status: 404 };
    const text = JSON.stringify(page);
    const body = state.path === url.pathname && state.spoil !== undefined ? state.spoil(text) : text;
    return {
      status: 200,
      body,
      headers: peer.header === undefined ? {} : { [peer.header]: String(index++) },
    };
  });
  const urls = peer.source === "eureka" || peer.source === "etcd" ? "urls" : "url";
  const options = [`${urls}=${server.url}`, peer.options].filter((each) => each !== "").join(",");
  const def = sources.find(({ name }) => name === peer.source)!;
  return { state, watch: () => new WatchedSource(t, def, options) };
}

const junk = fc.constantFrom<unknown>(
  null,
  0,
  -1,
  1e300,
  "",
  "x",
  true,
  [],
  {},
  [null],
  { a: 1 },
  "10.0.0.1",
  70_000,
);

/** Puts junk in place of one value somewhere in a JSON text. */
function replaceSomewhere(text: string, where: number, value: unknown): string {
  const root = JSON.parse(text) as unknown;
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, child] of Object.entries(node)) {
      places.push([node as Record<string, unknown>, key]);
      walk(child);
    }
  };
  walk(root);
  const [node, key] = places[where % places.length]!;
  node[key] = value;
  return JSON.stringify(root);
}

function check(reading: Reading): void {
  if (reading.kind === "error") return assert.notEqual(reading.error, "");
  for (const { endpoints } of reading.services.values()) {
    for (const { ip, port, weight, health } of endpoints) {
      assert.notEqual(isIP(ip), 0);
      assert.ok(Number.isInteger(port) && port > 0 && port < 65_536, String(port));
      assert.ok(Number.isInteger(weight) && weight > 0 && weight < 65_536, String(weight));
      assert.ok(["healthy", "unhealthy", "degraded", "draining"].includes(health));
    }
  }
}

for (const peer of peers) {
  test(`${peer.source}Source.watch() gives all, and takes nothing away for answers that are no JSON`, async (t) => {
    const { state, watch } = await serve(t, peer);
    for (const path of Object.keys(peer.pages)) {
      state.path = path;
      for (const spoil of [
        (text: string) => text.slice(0, -5),
        () => "",
        () => "null",
        () => "7",
        () => '"ok"',
        () => "<html>502</html>",
      ]) {
        state.spoil = spoil;
        const source = watch();
        const reading = await source.next();
        assert.equal(reading.kind, "error", `${path}: ${describeReading(reading)}`);
        state.spoil = undefined;
        await source.until(/^users=10\.0\.0\.1:1(@a)?,10\.0\.0\.1:2(@a)?\??$/);
        source.stop();
      }
    }
  });

  test(`${peer.source}Source.watch() survives junk anywhere in an answer`, async (t) => {
    const { state, watch } = await serve(t, peer);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.keys(peer.pages)),
        fc.nat(200),
        junk,
        async (path, where, value) => {
          [state.path, state.spoil] = [path, (text) => replaceSomewhere(text, where, value)];
          const source = watch();
          const reading = await source.next();
          source.stop();
          check(reading);
          // Holds keep what was known, unless the answer states that it is gone.
          const known = new SourceState("x");
          state.spoil = undefined;
          const good = watch();
          known.apply(await good.next(), 1);
          good.stop();
          known.apply(reading, 2);
          const stated = reading.kind === "ok" && reading.services.get("users")?.confirmed === true;
          if (!stated) assert.ok(known.services.get("users")!.length >= 1, describeReading(reading));
        },
      ),
      { numRuns: 10 },
    );
  });
}
