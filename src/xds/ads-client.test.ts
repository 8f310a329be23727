import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { FakeClock } from "../base/fake-clock.ts";
import { GrpcClient } from "../grpc/client.ts";
import { create, packNew } from "../proto/registry.ts";
import { AdsClient } from "./ads-client.ts";
import { decodeResources } from "./decode-resources.ts";
import type { WatchHandler } from "./source.ts";
import { ScriptedAdsServer } from "../testing/scripted-ads-server.ts";
import { waitUntil } from "../testing/wait-until.ts";
import { TestClusters } from "../testing/test-clusters.ts";
import { ADS_PATH, XDS_TYPES } from "./types.ts";

function client(
  t: TestContext,
  server: ScriptedAdsServer,
  clock: FakeClock,
  states: boolean[] = [],
): AdsClient {
  const clusters = new TestClusters();
  clusters.http2("xds", server.port);
  const ads = new AdsClient({
    path: ADS_PATH,
    node: create("envoy.config.core.v3.Node", { id: "n", cluster: "c" }),
    servers: [new GrpcClient(clusters.clusters.calls, { cluster: "xds" })],
    clock,
    random: () => 0.5,
    decode: decodeResources,
    onState: (up) => states.push(up),
  });
  t.after(() => {
    ads.close();
    clusters.close();
  });
  return ads;
}

const quiet = (onResources: WatchHandler["onResources"] = () => undefined): WatchHandler => ({
  onAttempt: () => undefined,
  onResources,
  onFailure: () => undefined,
});

const cluster = (name: string) => packNew("envoy.config.cluster.v3.Cluster", { name });

test("AdsClient asks for endpoints before it acknowledges the clusters that need them", async (t) => {
  const server = await ScriptedAdsServer.start(t);
  const ads = client(t, server, new FakeClock());
  ads.watch(
    "cds",
    undefined,
    quiet((resources) => {
      for (const { name } of resources) ads.watch("eds", name, quiet());
    }),
  );
  const first = await server.next();
  assert.equal(first.typeUrl, XDS_TYPES.cds.typeUrl);
  assert.equal(first.node?.id, "n");
  assert.deepEqual(first.resourceNames, []);
  server.send("cds", "v1", "n1", [cluster("b"), cluster("a")]);
  const second = await server.next();
  assert.equal(second.typeUrl, XDS_TYPES.eds.typeUrl);
  assert.deepEqual(second.resourceNames, ["a", "b"]);
  assert.equal(second.node?.id, "n");
  const third = await server.next();
  assert.equal(third.typeUrl, XDS_TYPES.cds.typeUrl);
  assert.deepEqual([third.versionInfo, third.responseNonce, third.errorDetail], ["v1", "n1", undefined]);
});

test("AdsClient keeps back what a paused type has to say, and says the newest of it at the end", async (t) => {
  const server = await ScriptedAdsServer.start(t);
  const clock = new FakeClock();
  const ads = client(t, server, clock);
  const seen: string[] = [];
  ads.watch(
    "cds",
    undefined,
    quiet((_resources, version) => seen.push(version)),
  );
  ads.watch("lds", undefined, quiet());
  await server.next();
  await server.next();
  ads.pause("cds");
  server.send("cds", "v1", "n1", [cluster("a")]);
  server.send("cds", "v2", "n2", [cluster("a")]);
  server.send("lds", "l1", "n3", []);
  const other = await server.next();
  assert.deepEqual([other.typeUrl, other.responseNonce], [XDS_TYPES.lds.typeUrl, "n3"]);
  assert.deepEqual(seen, ["v1", "v2"]);
  ads.resume("cds");
  const held = await server.next();
  assert.deepEqual([held.versionInfo, held.responseNonce], ["v2", "n2"]);
  // A new stream's first request waits as well, and nothing of the old stream is said on it.
  ads.pause("cds");
  server.send("cds", "v3", "n4", [cluster("a")]);
  await waitUntil("v3 is taken over", () => seen.length === 3);
  server.breakStream();
  await waitUntil("the stream is opened again", () => {
    clock.advance(1000);
    return server.streams === 2;
  });
  assert.equal((await server.next()).typeUrl, XDS_TYPES.lds.typeUrl);
  ads.resume("cds");
  const again = await server.next();
  assert.deepEqual([again.versionInfo, again.responseNonce], ["v3", ""]);
});

test("AdsClient rejects what breaks a rule or what a watch throws at, and keeps the version", async (t) => {
  const server = await ScriptedAdsServer.start(t);
  const ads = client(t, server, new FakeClock());
  let refuse = true;
  const seen: string[] = [];
  ads.watch("cds", undefined, {
    onAttempt: () => undefined,
    onResources: (resources) => {
      if (refuse) throw new Error("Error adding/updating cluster(s) a: no");
      seen.push(...resources.map(({ name }) => name));
    },
    onFailure: (kind, detail) => seen.push(`${kind}: ${detail}`),
  });
  await server.next();
  server.send("cds", "v1", "n1", [cluster("a")]);
  const nack = await server.next();
  assert.deepEqual([nack.versionInfo, nack.responseNonce], ["", "n1"]);
  assert.equal(nack.errorDetail?.code, 13);
  assert.equal(nack.errorDetail?.message, "Error adding/updating cluster(s) a: no");
  refuse = false;
  server.send("cds", "v2", "n2", [cluster("a")]);
  assert.equal((await server.next()).versionInfo, "v2");
  server.send("cds", "v3", "n3", [cluster("")]);
  const invalid = await server.next();
  assert.deepEqual([invalid.versionInfo, invalid.responseNonce], ["v2", "n3"]);
  assert.match(
    invalid.errorDetail!.message,
    /Proto constraint validation failed \(ClusterValidationError\.Name/,
  );
  assert.equal(seen[1], "a");
});

test("AdsClient opens a new stream after a broken one, with names and versions but without nonces", async (t) => {
  const server = await ScriptedAdsServer.start(t);
  const clock = new FakeClock();
  const states: boolean[] = [];
  const ads = client(t, server, clock, states);
  const failed = Promise.withResolvers<string>();
  ads.watch("eds", "x", { ...quiet(), onFailure: (kind) => failed.resolve(kind) });
  assert.deepEqual((await server.next()).resourceNames, ["x"]);
  server.send("eds", "7", "n1", [
    packNew("envoy.config.endpoint.v3.ClusterLoadAssignment", { clusterName: "x" }),
  ]);
  assert.equal((await server.next()).versionInfo, "7");
  server.breakStream();
  assert.equal(await failed.promise, "connection");
  assert.deepEqual(states, [true, false]);
  clock.advance(249);
  clock.advance(2);
  const again = await server.next();
  assert.deepEqual([again.resourceNames, again.versionInfo, again.responseNonce], [["x"], "7", ""]);
});

test("AdsClient sends fewer names when a watch closes", async (t) => {
  const server = await ScriptedAdsServer.start(t);
  const ads = client(t, server, new FakeClock());
  const a = ads.watch("rds", "a", quiet());
  ads.watch("rds", "b", quiet());
  assert.deepEqual((await server.next()).resourceNames, ["a", "b"]);
  a.close();
  assert.deepEqual((await server.next()).resourceNames, ["b"]);
});

test("AdsClient tries again quickly at the start only, then backs off", async (t) => {
  const clock = new FakeClock();
  const clusters = new TestClusters();
  let failures = 0;
  const ads = new AdsClient({
    path: ADS_PATH,
    node: create("envoy.config.core.v3.Node", { id: "n", cluster: "c" }),
    servers: [new GrpcClient(clusters.clusters.calls, { cluster: "not there yet" })],
    clock,
    random: () => 0.5,
    decode: decodeResources,
    onState: () => failures++,
  });
  t.after(() => ads.close());
  ads.watch("cds", undefined, quiet());
  await Promise.resolve();
  for (let i = 0; i < 20; i++) clock.advance(75);
  assert.equal(failures, 21);
  // The back-off begins: half of 500 ms.
  clock.advance(249);
  assert.equal(failures, 21);
  clock.advance(1);
  assert.equal(failures, 22);
});
