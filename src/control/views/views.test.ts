import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue } from "@bufbuild/protobuf";
import type { Ledger } from "../../proto/ledger.ts";
import { only } from "../../proto/ledger.ts";
import type { Catalog, SourcedEndpoint } from "../model.ts";
import { loadPolicy } from "../policy/load-policy.ts";
import { policyWithoutFile, type MeshPolicy } from "../policy/mesh-policy.ts";
import { resourceJson, ViewResources } from "../policy/view-resources.ts";
import { viewFor } from "./index.ts";
import type { NodeIdentity } from "./view.ts";
import { WeftLimits } from "./weft-limits.ts";

const SIDECAR = { inbound: "127.0.0.1:1", outbound: "127.0.0.1:2", app: "127.0.0.1:3" };

function node(given: Partial<NodeIdentity> & { weft?: Record<string, JsonValue> } = {}): NodeIdentity {
  const weft = given.weft ?? {};
  const base = { id: "n", cluster: "", region: "", zone: "", userAgent: "envoy", peer: "" };
  return { ...base, metadata: { weft }, ...given, weft };
}

function endpoint(given: Partial<SourcedEndpoint>): SourcedEndpoint {
  const base = { ip: "10.0.0.1", port: 1, weight: 1, region: "", zone: "", version: "", source: "s" };
  return { ...base, health: "healthy", metadata: {}, ...given };
}

function catalog(services: Record<string, Partial<SourcedEndpoint>[]>): Catalog {
  return new Map(Object.entries(services).map(([name, list]) => [name, list.map(endpoint)]));
}

const policyOf = (text: string): MeshPolicy => loadPolicy(text, "mesh.yaml");

/** Name of the view, or why there is none. */
function viewName(who: NodeIdentity, policy: MeshPolicy): string {
  const view = viewFor(who, policy);
  return "refused" in view ? view.refused : view.name;
}

/** What a node has, by kind: names, or for one name its content. */
function served(who: NodeIdentity, policy: MeshPolicy, services: Catalog) {
  const answer = new ViewResources(services, policy).of(who);
  assert.ok("resources" in answer, JSON.stringify(answer));
  const of = (kind: string) => answer.resources.filter(({ type }) => type.endsWith(`.${kind}`));
  return {
    names: (kind: string) => of(kind).map(({ name }) => name),
    json: (kind: string, name: string) => resourceJson(of(kind).find((each) => each.name === name)!),
  };
}

test("viewFor() goes from what a node names to what groups match to what it looks like", () => {
  const policy = policyOf(`
default_view: edge
views:
  - { name: eu, match: { region: "eu-*" }, edge: {} }
  - { name: batch, match: { metadata: { team: batch } }, sidecar: {} }
  - { name: old, match: { id: "old-*" }, refuse: too old }
`);
  const sidecar = { service: "a", ...SIDECAR };
  const cases: [Partial<NodeIdentity>, string][] = [
    [{ region: "eu-1" }, "eu"],
    [{ region: "eu-1", weft: { view: "edge" } }, "eu"],
    [{ region: "eu-1", weft: sidecar }, "sidecar"],
    [{ weft: sidecar, metadata: { weft: sidecar, team: "batch" } }, "batch"],
    [{ metadata: { weft: {}, team: "batch" } }, "edge"],
    [{ weft: { view: "eu" } }, "eu"],
    [{ userAgent: "gRPC Go", region: "eu-1" }, "grpc"],
    [{ cluster: "gateway" }, "gateway"],
    [{}, "edge"],
    [{ id: "old-7", weft: sidecar }, 'node "old-7" gets nothing: too old'],
  ];
  for (const [given, expected] of cases) assert.equal(viewName(node(given), policy), expected);
  assert.match(
    viewName(node({ weft: { view: "nothing" } }), policy),
    /no view for node id "n".*it asks for "nothing".*one of edge, sidecar, grpc, gateway, eu, batch, old/,
  );
  assert.match(viewName(node({ cluster: "x" }), policyOf("edge: {}")), /no view for node id "n" cluster "x"/);
});

test("without a policy any node is an edge on port 80 that knows services by name", () => {
  const edge = served(
    node({ cluster: "default-cluster" }),
    policyWithoutFile(),
    catalog({ users: [{}], pay: [{}] }),
  );
  const { address } = edge.json("Listener", "edge") as { address: JsonValue };
  assert.deepEqual(address, { socket_address: { address: "0.0.0.0", port_value: 80 } });
  const { virtual_hosts: hosts } = edge.json("RouteConfiguration", "edge") as {
    virtual_hosts: { name: string; domains: string[] }[];
  };
  assert.deepEqual(
    hosts.map(({ name, domains }) => [name, ...domains]),
    [
      ["users", "users", "users:*"],
      ["pay", "pay", "pay:*"],
      ["edge", "*"],
    ],
  );
});

test("sidecars see what they may call, and share what they see when all see the same", () => {
  const services = catalog({ users: [{}], pay: [{}], admin: [{}] });
  const policy = policyOf("services: { pay: { callers: [users] }, admin: { callers: [] } }");
  const of = (service: string) => node({ weft: { service, ...SIDECAR } });
  const clusters = (service: string) => served(of(service), policy, services).names("Cluster").sort();
  assert.deepEqual(clusters("users"), ["local_app", "pay", "users"]);
  assert.deepEqual(clusters("pay"), ["local_app", "pay", "users"]);
  assert.deepEqual(clusters("admin"), ["admin", "local_app", "users"]);
  const key = (service: string, under: MeshPolicy) => {
    const view = viewFor(of(service), under);
    return "refused" in view ? "" : view.key;
  };
  assert.notEqual(key("users", policy), key("pay", policy));
  assert.equal(key("users", policyOf("edge: {}")), key("pay", policyOf("edge: {}")));
});

/** Priority and locality of each group of a service's endpoints, with what is in it. */
function groups(who: NodeIdentity, policy: MeshPolicy, services: Catalog): string[] {
  const { endpoints = [] } = served(who, policy, services).json(
    "ClusterLoadAssignment",
    "users",
  ) as unknown as {
    endpoints?: {
      priority?: number;
      locality: { region?: string; zone?: string };
      load_balancing_weight: number;
      lb_endpoints: { endpoint: { address: { socket_address: { address: string; port_value: number } } } }[];
    }[];
  };
  return endpoints
    .map((group) => {
      const hosts = group.lb_endpoints.map(({ endpoint: { address } }) => {
        const { address: ip, port_value: port } = address.socket_address;
        return `${ip}:${port}`;
      });
      const { region = "", zone = "" } = group.locality;
      return `${group.priority ?? 0} ${region}/${zone} ${group.load_balancing_weight}: ${hosts.join(" ")}`;
    })
    .sort();
}

test("endpoints are in priorities by how far away they are", () => {
  const services = catalog({
    users: [
      { port: 1, region: "eu", zone: "a" },
      { port: 2, region: "eu", zone: "b", weight: 3 },
      { port: 3, region: "us", zone: "a" },
      { port: 4, region: "eu", zone: "a", priority: 1 },
    ],
  });
  const policy = policyOf("{ edge: { hosts: {} }, defaults: { balance: { locality: failover } } }");
  const edge = (region: string, zone: string) => node({ weft: { view: "edge" }, region, zone });
  assert.deepEqual(groups(edge("eu", "a"), policy, services), [
    "0 eu/a 1: 10.0.0.1:1",
    "1 eu/b 3: 10.0.0.1:2",
    "2 us/a 1: 10.0.0.1:3",
    "3 eu/a 1: 10.0.0.1:4",
  ]);
  assert.deepEqual(groups(edge("us", "z"), policy, services), [
    "0 us/a 1: 10.0.0.1:3",
    "1 eu/a 1: 10.0.0.1:1",
    "1 eu/b 3: 10.0.0.1:2",
    "2 eu/a 1: 10.0.0.1:4",
  ]);
});

test("other regions are one endpoint each, their front proxy, and a front proxy knows its own region only", () => {
  const services = catalog({
    users: [
      { port: 1, region: "eu" },
      { port: 2, region: "us", weight: 2 },
      { port: 3, region: "us", weight: 3 },
      { port: 4, region: "us", health: "unhealthy" },
      { port: 5, region: "ap", health: "unhealthy" },
      { port: 6, region: "" },
      { port: 7, region: "nowhere" },
    ],
  });
  const policy = policyOf(`
edge: { hosts: {} }
regions:
  eu: { gateway: "10.9.0.1:15443" }
  us: { gateway: "10.9.0.2:15443" }
  ap: { gateway: "10.9.0.3:15443" }
  sa: { gateway: "10.9.0.4:15443", services: [users] }
`);
  const eu = node({ weft: { view: "edge" }, region: "eu" });
  assert.deepEqual(groups(eu, policy, services), [
    "0 / 1: 10.0.0.1:6",
    "0 eu/ 1: 10.0.0.1:1",
    "0 nowhere/ 1: 10.0.0.1:7",
    "1 sa/ 1: 10.9.0.4:15443",
    "1 us/ 5: 10.9.0.2:15443",
  ]);
  const gateway = node({ cluster: "gateway", region: "us" });
  assert.deepEqual(groups(gateway, policy, services), [
    "0 / 1: 10.0.0.1:6",
    "0 us/ 6: 10.0.0.1:2 10.0.0.1:3 10.0.0.1:4",
  ]);
  const lost = new ViewResources(services, policy).of(node({ cluster: "gateway", region: "mars" }));
  assert.match(JSON.stringify(lost), /is a gateway of region .*mars.*which the policy does not have/);
});

test("what weft does not implement is left out for it and told, but never what protects", () => {
  const told: string[] = [];
  const ledger: Ledger = {
    "envoy.config.cluster.v3.Cluster": ["name", "transport_socket", only("lb_policy", "ROUND_ROBIN")],
    "envoy.config.core.v3.TransportSocket": ["name"],
  };
  const limits = new WeftLimits([ledger], (text) => told.push(text));
  const fit = () =>
    limits.fit(
      "envoy.config.cluster.v3.Cluster",
      "users",
      {
        name: "users",
        lb_policy: "MAGLEV",
        outlier_detection: {},
        transport_socket: {
          name: "tls",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
          },
        },
      },
      "edge",
    ) as Record<string, JsonValue>;
  const fitted = fit();
  assert.equal(fitted["lb_policy"], undefined);
  assert.equal(fitted["outlier_detection"], undefined);
  assert.ok((fitted["transport_socket"] as { typed_config?: unknown }).typed_config);
  fit();
  assert.deepEqual(told, ["lb_policy of Cluster users", "outlier_detection of Cluster users"]);
  assert.deepEqual(limits.leftOut, told);
});
