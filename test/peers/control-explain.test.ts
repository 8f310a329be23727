import assert from "node:assert/strict";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import type { Explanation, ServiceExplanation } from "../../src/control/explain/explanation.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh } from "./control-mesh.ts";

const policy = {
  edge: { listen: "127.0.0.1:0", routes: [{ prefix: "/users", service: "users" }] },
  services: { secret: { callers: ["web"] } },
};

peerTest("GET /v1/explain follows an endpoint from its source to each Envoy", ["envoy"], async (t) => {
  const mesh = new ControlMesh(t);
  mesh.writePolicy(policy);
  mesh.writeServices({
    users: [{ port: 1, zone: "a", metadata: { pod: "users-abc" } }, 2],
    orders: [3],
    secret: [4],
  });
  await mesh.start();
  const explain = async (what: string): Promise<Explanation> =>
    mesh.api(`/v1/explain?what=${encodeURIComponent(what)}`);
  const only = ({ services }: Explanation): ServiceExplanation => {
    assert.equal(services.length, 1);
    return services[0]!;
  };

  await t.test("without a proxy", async () => {
    await waitUntil("the source was read", async () => (await explain("users")).services.length > 0);
    assert.deepEqual((await explain("users")).verdicts, ["users is known, and no proxy is connected."]);
    assert.deepEqual((await explain("nobody")).verdicts, ['No source knows "nobody".']);
  });

  const bootstrap = proxyBootstrap({
    control: `127.0.0.1:${mesh.control.xdsPort}`,
    nodeId: "edge-1",
    cluster: "edge",
    adminPort: 0,
  });
  const envoy = await mesh.envoy(bootstrap);
  await mesh.synced("edge-1");

  await t.test("with all that leads to it", async () => {
    const whole = await explain("users");
    assert.deepEqual(whole.verdicts, ["users is with the one proxy that is to have it."]);
    for (const what of ["127.0.0.1:1", "users-abc"]) {
      const explanation = await explain(what);
      const { service, endpoint, merged, nodes } = only(explanation);
      assert.deepEqual([service, endpoint], ["users", "127.0.0.1:1"]);
      assert.deepEqual([merged.length, merged[0]!.source, merged[0]!.held], [1, "file", false]);
      assert.deepEqual(
        nodes[0]!.clusters.map(({ cluster, endpoints, state }) => [cluster, endpoints, state]),
        [["users", 1, "accepted"]],
      );
    }
    assert.equal((await explain("127.0.0.1")).services.length, 4, "an address has many endpoints");
  });

  await t.test("why a proxy has it not", async () => {
    assert.equal(only(await explain("orders")).nodes[0]!.reason, "no route of its edge leads to orders");
    assert.equal(
      only(await explain("secret")).nodes[0]!.reason,
      "edge is not among the callers of secret (web)",
    );
  });

  await t.test("what is held, and why", async () => {
    mesh.writeServices({ orders: [3], secret: [4] });
    const [verdict] = await waitUntil("users is held", async () => {
      const { verdicts, services } = await explain("users");
      return services[0]?.merged.every(({ held }) => held) === true ? verdicts : undefined;
    });
    assert.match(verdict!, /2 proxies|the one proxy/);
    assert.match(
      verdict!,
      /It is kept although its source no longer says so \(the service vanished from its source\)/,
    );
    assert.equal(only(await explain("127.0.0.1:2")).sources[0]!.reported, null);
  });

  await t.test("what a proxy rejects", async () => {
    mesh.writePolicy({
      ...policy,
      services: {
        users: {
          envoy: {
            cluster: {
              lb_policy: "MAGLEV",
              lb_subset_config: { subset_selectors: [{ keys: [] }] },
              cluster_type: { name: "nobody.has.this" },
            },
          },
        },
      },
    });
    const [verdict] = await waitUntil(
      "the cluster is rejected",
      async () => {
        const { verdicts } = await explain("users");
        return verdicts[0]!.includes("rejected by edge-1") ? verdicts : undefined;
      },
      10_000,
    );
    assert.match(verdict!, /^users is rejected by edge-1: the cluster: .*nobody\.has\.this/s);
  });

  await t.test("what a source cannot say", async () => {
    await envoy.stop();
    mesh.writeServices({ orders: [0] } as never);
    await waitUntil("the source fails", async () => {
      const { verdicts } = await explain("orders");
      return verdicts[0]!.includes("Source file cannot be read") ? true : undefined;
    });
    assert.match((await explain("nobody")).verdicts[0]!, /not all of them can be read: file \(Cannot load/);
  });
});
