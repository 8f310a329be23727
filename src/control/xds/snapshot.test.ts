import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultMeshPolicy, meshPolicySchema } from "../policy/mesh-policy.ts";
import type { Catalog, SourcedEndpoint } from "../model.ts";
import { SnapshotBuilder } from "./snapshot.ts";
import type { NodeIdentity } from "../views/view.ts";

const CLUSTER = "envoy.config.cluster.v3.Cluster";
const ENDPOINT = "envoy.config.endpoint.v3.ClusterLoadAssignment";

function catalog(services: Record<string, number[]>): Catalog {
  const endpoint = (port: number): SourcedEndpoint => ({
    ip: "10.0.0.1",
    port,
    weight: 1,
    region: "",
    zone: "",
    version: "",
    health: "healthy",
    metadata: {},
    source: "s",
  });
  return new Map(Object.entries(services).map(([name, ports]) => [name, ports.map(endpoint)]));
}

function sidecar(id: string): NodeIdentity {
  const weft = {
    view: "sidecar",
    service: id,
    inbound: "127.0.0.1:1",
    outbound: "127.0.0.1:2",
    app: `${id}:80`,
  };
  return { id, cluster: id, region: "", zone: "", userAgent: "", peer: "", metadata: { weft }, weft };
}

test("SnapshotBuilder.build() gives the same object while nothing changed for the node", () => {
  const builder = new SnapshotBuilder(defaultMeshPolicy(), 1000);
  const [a, b] = [sidecar("a"), sidecar("b")];
  builder.update({ catalog: catalog({ users: [1] }) });
  const first = builder.build(a, 0);
  assert.equal(builder.build(a, 0), first);
  builder.update({ catalog: catalog({ users: [1] }) });
  assert.equal(builder.build(a, 0), first, "equal content");
  assert.equal(builder.build(b, 0).sets.get(ENDPOINT), first.sets.get(ENDPOINT), "shared by the view");
  assert.notEqual(builder.build(b, 0).sets.get(CLUSTER), first.sets.get(CLUSTER), "local_app differs");
  builder.update({ catalog: catalog({ users: [1, 2] }) });
  const next = builder.build(a, 0);
  assert.equal(next.sets.get(CLUSTER), first.sets.get(CLUSTER));
  assert.notEqual(next.sets.get(ENDPOINT), first.sets.get(ENDPOINT));
});

test("SnapshotBuilder.build() lets a removed cluster linger, and forgets it when it is due", () => {
  const builder = new SnapshotBuilder(defaultMeshPolicy(), 1000);
  const node = sidecar("a");
  const names = (now: number) =>
    builder
      .build(node, now)
      .sets.get(CLUSTER)!
      .resources.map((each) => each.name)
      .sort();
  builder.update({ catalog: catalog({ orders: [2], users: [1] }) });
  assert.deepEqual(names(0), ["local_app", "orders", "users"]);
  builder.update({ catalog: catalog({ users: [1] }) });
  assert.deepEqual(names(10), ["local_app", "orders", "users"]);
  assert.equal(builder.due, 1010);
  assert.deepEqual(names(1010), ["local_app", "users"]);
  assert.equal(builder.due, undefined);
});

test("SnapshotBuilder.build() rewrites prefixes without a double slash", () => {
  const route = (prefix: string, to: string) => ({ prefix, service: "x", rewrite_prefix: to });
  const policy = meshPolicySchema.parse({
    edge: { routes: [route("/a.b/", "/"), route("/c", "/api"), route("/", "/all")] },
  });
  const node = { ...sidecar("e"), weft: { view: "edge" } };
  const routes = new SnapshotBuilder(policy, 1)
    .build(node, 0)
    .sets.get("envoy.config.route.v3.RouteConfiguration")!.resources[0]!;
  const text = Buffer.from(routes.bytes).toString("latin1");
  for (const part of ["^/a\\.b/*", "/api", "/all/"]) assert.ok(text.includes(part), part);
});
