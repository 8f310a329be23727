import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "../../base/fake-clock.ts";
import { create, encode, fromJson, type MessageOf } from "../../proto/registry.ts";
import { MergedStats } from "../../stats/merged-stats.ts";
import { StatStore } from "../../stats/stat-store.ts";
import { endpoints, staticCluster } from "../../testing/proxy-config.ts";
import type { Resource, WatchHandler } from "../../xds/source.ts";
import { HOST_WORDS, type ToWorker } from "../link.ts";
import { HostResolver } from "../upstream/hosts/host-resolver.ts";
import { HealthCheckers, type HealthCheckersOptions } from "./health-checkers.ts";
import { OutlierDetectors } from "./outlier-detectors.ts";
import { SecretManager } from "./secret-manager.ts";
import type { OpenWatch } from "./subscription.ts";
import { ClusterManager } from "./cluster-manager.ts";
import type { ConfigSource } from "./subscription.ts";

const NAME = "envoy.config.cluster.v3.Cluster";
const EDS = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const ADS = { resource_api_version: "V3", ads: {} };
const source = fromJson("envoy.config.core.v3.ConfigSource", ADS) as ConfigSource;

const edsCluster = (name: string, timeout = "1s"): object => ({
  name,
  type: "EDS",
  connect_timeout: timeout,
  eds_cluster_config: { eds_config: ADS },
});

function resource(json: object): Resource {
  const message = fromJson(NAME, json as never);
  return { name: message.name, message, bytes: encode(NAME, message) };
}

function assignment(name: string, port: number): Resource {
  const message = fromJson(EDS, endpoints(name, port) as never);
  return { name, message, bytes: encode(EDS, message) };
}

/** None of these clusters is checked. */
const NO_PROBES = { close: () => undefined } as HealthCheckersOptions["clusters"];

function setup() {
  const clock = new FakeClock();
  const merged = new MergedStats();
  const stats = new StatStore((update) => merged.update("main", update));
  const sent: ToWorker[] = [];
  const warming: boolean[] = [];
  const watches = new Map<string, WatchHandler>();
  const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
  const common = { clock, stats, logger: () => quiet };
  const hostStates = new SharedArrayBuffer(1000 * HOST_WORDS * 4);
  const open: OpenWatch = (_source, kind, name, handler) => {
    watches.set(`${kind} ${name ?? "*"}`, handler);
    return { close: () => undefined };
  };
  const rest = {
    open,
    texts: new Map<string, string>(),
    broadcast: (message: ToWorker) => sent.push(message),
  };
  const manager = new ClusterManager({
    ...common,
    ...rest,
    secrets: new SecretManager({ ...common, ...rest, check: () => undefined }),
    outliers: new OutlierDetectors({ ...common, hostStates, random: () => 0.5 }),
    checkers: new HealthCheckers({
      ...common,
      merged,
      clusters: NO_PROBES,
      operators: [],
      hostStates,
      random: () => 0.5,
      onHealthy: () => undefined,
    }),
    onWarming: (some) => warming.push(some),
    merged,
    resolver: (events) => new HostResolver({ ...common, hostStates, random: () => 0.5 }, events),
    check: (cluster: MessageOf<typeof NAME>) => {
      if (cluster.name === "bad") throw new Error("no good");
    },
  });
  const counter = (name: string): number => {
    stats.flush();
    return merged.snapshot().counters.get(name) ?? 0;
  };
  return { clock, manager, sent, watches, warming, counter };
}

/** Lets promises that are due run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const shown = (sent: readonly ToWorker[]): string[] =>
  sent.map((m) =>
    m.kind === "cluster"
      ? `cluster ${m.name}`
      : m.kind === "hosts"
        ? `hosts ${m.cluster}: ${m.hosts.map(({ port }) => port).join()}`
        : m.kind,
  );

test("ClusterManager gives a cluster to the workers once its endpoints are known", async () => {
  const { manager, sent, watches } = setup();
  manager.addStatic(fromJson(NAME, staticCluster("xds", 1) as never));
  assert.deepEqual(shown(sent), ["cluster xds", "hosts xds: 1"]);
  let done = false;
  void manager.initialise(source).then(() => (done = true));
  await settle();
  sent.length = 0;
  watches.get("cds *")!.onResources([resource(edsCluster("a"))], "v1");
  await settle();
  assert.deepEqual([shown(sent), done, manager.cdsVersion], [[], false, "v1"]);
  watches.get("eds a")!.onResources([assignment("a", 7)], "1");
  await settle();
  assert.deepEqual([shown(sent), done], [["cluster a", "hosts a: 7"], true]);
  manager.close();
});

test("ClusterManager stops waiting for endpoints after 15 s", async () => {
  const { manager, sent, watches, clock, counter } = setup();
  const ready = manager.initialise(source);
  await settle();
  watches.get("cds *")!.onResources([resource(edsCluster("a"))], "v1");
  clock.advance(14_999);
  assert.deepEqual(shown(sent), []);
  clock.advance(1);
  await ready;
  assert.deepEqual(shown(sent), ["cluster a", "hosts a: "]);
  assert.equal(counter("cluster.a.init_fetch_timeout"), 1);
  manager.close();
});

test("ClusterManager.applyCds() keeps endpoints over updates, refuses one by one and removes what is absent", async () => {
  const { manager, sent, watches, counter } = setup();
  void manager.initialise(source);
  await settle();
  const cds = watches.get("cds *")!;
  cds.onResources([resource(edsCluster("a")), resource(staticCluster("s", 3))], "v1");
  watches.get("eds a")!.onResources([assignment("a", 7)], "1");
  sent.length = 0;
  // Unchanged: nothing happens. Changed: workers get it with the endpoints that are known already.
  cds.onResources([resource(edsCluster("a", "2s")), resource(staticCluster("s", 3))], "v2");
  assert.deepEqual(shown(sent), ["cluster a", "hosts a: 7"]);
  sent.length = 0;
  assert.throws(
    () =>
      cds.onResources(
        [resource({ name: "bad" }), resource(staticCluster("t", 4)), resource(edsCluster("a", "2s"))],
        "v3",
      ),
    { message: "Error adding/updating cluster(s) bad: no good" },
  );
  assert.deepEqual(shown(sent), ["cluster t", "hosts t: 4", "remove-cluster"]);
  assert.equal(manager.cdsVersion, "v2");
  assert.equal(counter("cluster_manager.cluster_removed"), 1);
  assert.equal(manager.clusters.has("s"), false);
  manager.close();
});

test("ClusterManager tells when clusters begin to warm and when all are warm, but not while it starts", async () => {
  const { manager, watches, warming } = setup();
  const ready = manager.initialise(source);
  await settle();
  const cds = watches.get("cds *")!;
  cds.onResources([resource(edsCluster("a"))], "v1");
  watches.get("eds a")!.onResources([assignment("a", 7)], "1");
  await ready;
  assert.deepEqual(warming, []);
  cds.onResources(
    ["a", "b", "c"].map((name) => resource(edsCluster(name))),
    "v2",
  );
  assert.deepEqual(warming, [true]);
  watches.get("eds b")!.onResources([assignment("b", 8)], "2");
  assert.deepEqual(warming, [true]);
  watches.get("eds c")!.onResources([assignment("c", 9)], "2");
  assert.deepEqual(warming, [true, false]);
  // A cluster that is taken away while it warms holds nothing up.
  cds.onResources(
    ["a", "d"].map((name) => resource(edsCluster(name))),
    "v3",
  );
  cds.onResources(
    ["a"].map((name) => resource(edsCluster(name))),
    "v4",
  );
  assert.deepEqual(warming, [true, false, true, false]);
  manager.close();
});

test("ClusterManager.addStatic() refuses a second cluster of the same name", () => {
  const { manager } = setup();
  manager.addStatic(fromJson(NAME, staticCluster("xds", 5) as never));
  assert.throws(() => manager.addStatic(create(NAME, { name: "xds" })), /duplicate cluster 'xds'/);
  manager.close();
});
