import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ScriptedKube } from "../../testing/scripted-kube.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { WatchedSource } from "../../testing/watched-source.ts";
import { kubernetesSource } from "./kubernetes.ts";

const endpoint = (last: number, conditions: object = { ready: true, serving: true, terminating: false }) => ({
  addresses: [`10.0.0.${last}`],
  conditions,
  nodeName: "node-1",
  targetRef: { kind: "Pod", namespace: "shop", name: `users-${last}` },
  zone: "z1",
});
const slice = (name: string, service: string, endpoints: object[] | null, more: object = {}) => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": service, team: "a" } },
  addressType: "IPv4",
  ports: [
    { name: "http", port: 8080, protocol: "TCP" },
    { name: "admin", port: 9090, protocol: "TCP" },
    { name: "quic", port: 8443, protocol: "UDP" },
  ],
  endpoints,
  ...more,
});

test("kubernetesSource.watch() maps conditions, zones and ports of slices", async (t) => {
  const kube = await ScriptedKube.start(t);
  kube.page = 1;
  kube.put(
    slice("users-1", "users", [
      endpoint(1),
      endpoint(2, { ready: false, serving: true, terminating: true }),
      endpoint(3, { ready: false, serving: false, terminating: false }),
      endpoint(4, {}),
      endpoint(5, { ready: false, serving: false, terminating: true }),
    ]),
  );
  kube.put(slice("users-2", "users", [{ addresses: ["fd00::1"] }], { addressType: "IPv6" }));
  kube.put(slice("none-1", "none", null, { ports: null }));
  kube.put(slice("names-1", "names", [{ addresses: ["a.test"] }], { addressType: "FQDN" }));
  const source = new WatchedSource(
    t,
    kubernetesSource,
    `url=${kube.http.url},namespaces=shop,token=t0,region=r`,
  );
  const first = await source.next();
  assert.ok(first.kind === "ok");
  const users = first.services.get("users")!;
  assert.equal(users.confirmed, false);
  assert.deepEqual(users.endpoints[0], {
    ip: "10.0.0.1",
    port: 8080,
    weight: 1,
    region: "r",
    zone: "z1",
    version: "",
    health: "healthy",
    metadata: { namespace: "shop", node: "node-1", pod: "users-1" },
  });
  assert.equal(
    users.endpoints.map(({ health }) => health).join(),
    "healthy,draining,unhealthy,healthy,unhealthy,healthy",
  );
  assert.deepEqual([...first.services.keys()].sort(), ["none", "users"]);
  assert.match(
    kube.http.asked[0]!,
    /namespaces\/shop\/endpointslices\?labelSelector=kubernetes.io%2Fservice-name&limit=500$/,
  );
  assert.equal(kube.http.last!.headers.authorization, "Bearer t0");

  const ports = new WatchedSource(
    t,
    kubernetesSource,
    `url=${kube.http.url},name={service}-{port}.{namespace},ports=http,admin`,
  );
  await ports.until(/^none-0.shop=\? users-admin.shop=10.0.0.1:9090@z1.* users-http.shop=10.0.0.1:8080@z1/);
});

test("kubernetesSource.watch() follows changes, resumes, and believes what watches say", async (t) => {
  const kube = await ScriptedKube.start(t);
  kube.put(slice("users-1", "users", [endpoint(1), endpoint(2)]));
  const source = new WatchedSource(t, kubernetesSource, `url=${kube.http.url},namespaces=shop`);
  await source.until("users=10.0.0.1:8080@z1,10.0.0.2:8080@z1?");
  const lists = () => kube.http.asked.filter((line) => !line.includes("watch=1")).length;
  const listed = lists();
  kube.put(slice("users-1", "users", [endpoint(2)]));
  await source.until("users=10.0.0.2:8080@z1");
  kube.bookmark();
  kube.endWatches();
  kube.put(slice("users-1", "users", []));
  await source.until("users=");
  assert.equal(lists(), listed);

  // What a list after a lost version no longer has went for a reason that nobody knows.
  kube.put(slice("users-1", "users", [endpoint(1)]));
  kube.put(slice("users-2", "users", [endpoint(2)]));
  await source.until("users=10.0.0.1:8080@z1,10.0.0.2:8080@z1");
  kube.fault = () => ({ status: 500, body: "etcdserver: leader changed" });
  kube.http.breakConnections();
  await source.until("error: namespace shop: HTTP 500: etcdserver: leader changed");
  kube.delete("shop", "users-2");
  kube.expire();
  kube.fault = undefined;
  await source.until("users=10.0.0.1:8080@z1?");

  kube.put(slice("users-1", "users", "junk" as unknown as object[]));
  await source.until("users=10.0.0.1:8080@z1?+1");
  kube.put(slice("users-1", "users", [endpoint(1)]));
  await source.until("users=10.0.0.1:8080@z1");
  kube.delete("shop", "users-1");
  await source.until("-users");
  kube.put(slice("users-1", "users", [endpoint(9)]));
  await source.until("users=10.0.0.9:8080@z1");
  for (const nonsense of ["{", '{"items":5}', '{"kind":"Status"}']) {
    kube.expire();
    kube.fault = (url) => (url.searchParams.has("watch") ? undefined : nonsense);
    await source.until(/^error: .*(is not JSON|is not a list of Kubernetes)/);
    kube.fault = undefined;
    await source.until(/^users=10.0.0.9:8080@z1/);
  }
});

test("kubernetesSource.watch() keeps a namespace that may not be read apart", async (t) => {
  const kube = await ScriptedKube.start(t);
  kube.put(slice("users-1", "users", [endpoint(1)]));
  kube.put({
    ...slice("pay-1", "pay", [endpoint(2)]),
    metadata: { name: "pay-1", namespace: "bank", labels: { "kubernetes.io/service-name": "pay" } },
  });
  const source = new WatchedSource(t, kubernetesSource, `url=${kube.http.url},namespaces=shop,bank`);
  await source.until("pay.bank=10.0.0.2:8080@z1? users.shop=10.0.0.1:8080@z1?");
  kube.fault = (url) => (url.pathname.includes("bank") ? { status: 403, body: "forbidden" } : undefined);
  kube.endWatches();
  await source.until(
    "pay.bank=10.0.0.2:8080@z1? users.shop=10.0.0.1:8080@z1? (namespace bank: HTTP 403: forbidden)",
  );
  kube.fault = undefined;
  await source.until("pay.bank=10.0.0.2:8080@z1? users.shop=10.0.0.1:8080@z1?");
});

const pod = (
  last: number,
  labels: object,
  more: { ready?: boolean; deleted?: boolean; phase?: string } = {},
) => ({
  metadata: {
    name: `users-${last}`,
    namespace: "shop",
    labels,
    ...(more.deleted === true && { deletionTimestamp: "2026-11-22T06:00:00Z" }),
  },
  spec: {
    nodeName: "node-1",
    containers: [
      {
        name: "x",
        ports: [
          { name: "admin", containerPort: 90 },
          { name: "http", containerPort: 80 },
        ],
      },
    ],
  },
  status: {
    phase: more.phase ?? "Running",
    podIP: `10.0.0.${last}`,
    hostIP: "192.168.0.1",
    containerStatuses: [{ ready: more.ready ?? true, state: { running: { startedAt: "x" } } }],
  },
});

test("kubernetesSource.watch() reads pods by label as Rotor did", async (t) => {
  const kube = await ScriptedKube.start(t);
  const labels = { tbn_cluster: "users", version: "7", app: "shop" };
  kube.put(pod(1, labels));
  kube.put(pod(2, { app: "shop" }));
  const source = new WatchedSource(t, kubernetesSource, `url=${kube.http.url},mode=pods,selector=app=shop`);
  const reading = await source.next();
  assert.ok(reading.kind === "ok");
  assert.deepEqual(reading.services.get("users")!.endpoints, [
    {
      ip: "10.0.0.1",
      port: 80,
      weight: 1,
      region: "",
      zone: "",
      version: "7",
      health: "healthy",
      metadata: { version: "7", app: "shop", tbn_k8s_host_ip: "192.168.0.1", tbn_k8s_node_name: "node-1" },
    },
  ]);
  assert.match(
    kube.http.asked[0]!,
    /^GET \/api\/v1\/pods\?labelSelector=tbn_cluster%2Capp%3Dshop&limit=500$/,
  );
  kube.put(pod(3, labels, { ready: false }));
  await source.until("users=10.0.0.1:80,10.0.0.3:80!un");
  kube.put(pod(1, labels, { deleted: true }));
  await source.until("users=10.0.0.1:80!dr,10.0.0.3:80!un");
  kube.put(pod(3, labels, { phase: "Succeeded" }));
  await source.until("users=10.0.0.1:80!dr");
  kube.delete("shop", "users-3");
  kube.delete("shop", "users-1");
  await source.until("-users");
});

test("kubernetesSource.watch() finds the cluster and credentials in a kubeconfig", async (t) => {
  const kube = await ScriptedKube.start(t);
  kube.put(slice("users-1", "users", [endpoint(1)]));
  const folder = tempDir("kube");
  const file = join(folder, "config");
  const config = (user: object) =>
    writeFileSync(
      file,
      JSON.stringify({
        "current-context": "one",
        contexts: [{ name: "one", context: { cluster: "c", user: "u" } }],
        clusters: [{ name: "c", cluster: { server: kube.http.url } }],
        users: [{ name: "u", user }],
      }),
    );
  writeFileSync(join(folder, "token"), "from-file\n");
  const credential = JSON.stringify({ kind: "ExecCredential", status: { token: "from-plugin" } });
  for (const [user, wanted] of [
    [{ token: "plain" }, "Bearer plain"],
    [{ tokenFile: "token" }, "Bearer from-file"],
    [{ username: "a", password: "b" }, `Basic ${btoa("a:b")}`],
    [{ exec: { command: "echo", args: [credential] } }, "Bearer from-plugin"],
  ] as const) {
    config(user);
    const source = new WatchedSource(t, kubernetesSource, `kubeconfig=${file}`);
    await source.until("users.shop=10.0.0.1:8080@z1?");
    assert.equal(kube.http.last!.headers.authorization, wanted);
    source.stop();
  }
  for (const [options, problem] of [
    [`kubeconfig=${file}x`, /there is no kubeconfig/],
    [`kubeconfig=${file},context=two`, /it has no context "two"/],
  ] as const)
    assert.match(await new WatchedSource(t, kubernetesSource, options).nextText(), problem);
  config({ "auth-provider": { name: "gcp" } });
  const source = new WatchedSource(t, kubernetesSource, `kubeconfig=${file}`);
  assert.match(await source.nextText(), /field "auth-provider" is not supported/);
});
