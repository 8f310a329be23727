import assert from "node:assert/strict";
import { kubernetesSource } from "../../src/control/sources/kubernetes.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { RealKube, type KubeUser } from "../../src/testing/real-kube.ts";
import { WatchedSource } from "../../src/testing/watched-source.ts";

const READY = { ready: true, serving: true, terminating: false };
const SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
const PODS = "/api/v1/namespaces/shop/pods";

function slice(name: string, service: string, lasts: number[], conditions: object = READY): object {
  return {
    metadata: { name, labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    ports: [
      { name: "http", port: 8080, protocol: "TCP" },
      { name: "admin", port: 9090, protocol: "TCP" },
    ],
    endpoints: lasts.map((last) => ({ addresses: [`10.0.0.${last}`], conditions, zone: "z1" })),
  };
}

function optionsFor(kube: RealKube, more: string, user: KubeUser = "admin"): string {
  return `url=${kube.url},ca=${kube.ca},token=${kube.token(user)}${more}`;
}

peerTest(
  "kubernetesSource.watch() follows a real API server: slices, pods, rights, restarts, lost versions",
  ["kube-apiserver", "etcd"],
  async (t) => {
    const kube = await RealKube.start(t);
    await kube.namespace("shop");
    await kube.create(SLICES, slice("users-a", "users", [1, 2]));
    const source = new WatchedSource(t, kubernetesSource, optionsFor(kube, ",namespaces=shop"));
    await source.until("users=10.0.0.1:8080@z1,10.0.0.2:8080@z1?");

    await t.test("endpoints, conditions and slices come and go", async () => {
      await kube.create(SLICES, slice("users-b", "users", [3]));
      await source.until("users=10.0.0.1:8080@z1,10.0.0.2:8080@z1,10.0.0.3:8080@z1");
      const leaving = { ready: false, serving: true, terminating: true };
      await kube.patch(`${SLICES}/users-b`, {
        endpoints: [{ addresses: ["10.0.0.3"], conditions: leaving, zone: "z1" }],
      });
      await source.until("users=10.0.0.1:8080@z1,10.0.0.2:8080@z1,10.0.0.3:8080!dr@z1");
      await kube.delete(`${SLICES}/users-b`);
      await source.until("users=10.0.0.1:8080@z1,10.0.0.2:8080@z1");
      await kube.create(SLICES, slice("orders-a", "orders", [5]));
      await source.until("orders=10.0.0.5:8080@z1 users=10.0.0.1:8080@z1,10.0.0.2:8080@z1");
      await kube.delete(`${SLICES}/orders-a`);
      await source.until("users=10.0.0.1:8080@z1,10.0.0.2:8080@z1 -orders");
    });

    await t.test("named ports become services", async () => {
      const ports = new WatchedSource(
        t,
        kubernetesSource,
        optionsFor(kube, ",namespaces=shop,name={service}-{port}"),
      );
      await ports.until(/^users-admin=10.0.0.1:9090@z1,.* users-http=10.0.0.1:8080@z1,/);
    });

    await t.test("a user without rights is told so, and served when it has them", async () => {
      const reader = new WatchedSource(t, kubernetesSource, optionsFor(kube, ",namespaces=shop", "reader"));
      await reader.until(/^error: namespace shop: HTTP 403: .*cannot list resource "endpointslices"/);
      const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop";
      await kube.create(`${rbac}/roles`, {
        metadata: { name: "slices" },
        rules: [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] }],
      });
      await kube.create(`${rbac}/rolebindings`, {
        metadata: { name: "slices" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "slices" },
        subjects: [{ kind: "User", name: "reader" }],
      });
      await reader.until("users=10.0.0.1:8080@z1,10.0.0.2:8080@z1?");
      reader.stop();
    });

    await t.test("pods with Rotor's label", async () => {
      const pods = new WatchedSource(t, kubernetesSource, optionsFor(kube, ",namespaces=shop,mode=pods"));
      await kube.create(PODS, {
        metadata: { name: "pay-1", labels: { tbn_cluster: "pay", stage: "prod" } },
        spec: {
          containers: [{ name: "pay", image: "pay", ports: [{ name: "http", containerPort: 7000 }] }],
        },
      });
      const started = {
        status: {
          phase: "Running",
          podIP: "10.0.0.7",
          podIPs: [{ ip: "10.0.0.7" }],
          containerStatuses: [
            {
              name: "pay",
              ready: true,
              image: "pay",
              imageID: "pay",
              restartCount: 0,
              state: { running: { startedAt: "2026-01-01T00:00:00Z" } },
            },
          ],
        },
      };
      await kube.patch(`${PODS}/pay-1/status`, started);
      await pods.until(/^pay=10\.0\.0\.7:7000\??$/);
      await kube.delete(`${PODS}/pay-1`);
      await pods.until("-pay");
      pods.stop();
    });

    // A source is read no faster than its reader takes, so it is read all the while.
    await t.test("a restart of the API server is an error, and the watch goes on where it was", async () => {
      await kube.kill();
      await source.until(/^error: /);
      const moved = source.until(/^users=10\.0\.0\.9:8080@z1 /, 60_000);
      await kube.start();
      await kube.patch(`${SLICES}/users-a`, {
        endpoints: [{ addresses: ["10.0.0.9"], conditions: READY, zone: "z1" }],
      });
      await moved;
    });

    await t.test("what vanished while versions were lost is no stated loss", async () => {
      await kube.create(SLICES, slice("lost-a", "lost", [20]));
      await source.until(/^lost=10\.0\.0\.20:8080@z1 /);
      await kube.kill();
      await source.until(/^error: /);
      // It is not there any more, and not among those that were deleted.
      const vanished = source.until("users=10.0.0.9:8080@z1 -orders", 60_000);
      const { header } = (await kube.etcd.post("/v3/kv/deleterange", {
        key: btoa("/registry/endpointslices/shop/lost-a"),
      })) as { header: { revision: string } };
      await kube.etcd.post("/v3/kv/compaction", { revision: header.revision, physical: true });
      await kube.start();
      await vanished;
    });
    assert.deepEqual(
      source.logged.filter((line) => /TypeError|undefined/.test(line)),
      [],
    );
  },
);
