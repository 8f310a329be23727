import assert from "node:assert/strict";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import { freePorts } from "../../src/cli/up/free-ports.ts";
import { loadParts } from "../../src/proxy/main/parts.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh, Load, startFailing, startNamed } from "./control-mesh.ts";

// Deployments judged by what real proxies count.

const { ledgers } = await loadParts();

interface DeploymentJson {
  readonly phase: string;
  readonly reason: string;
  readonly shares: Readonly<Record<string, number>>;
}

for (const kind of ["envoy", "weft"] as const) {
  peerTest(
    `A version that does well is deployed, one that fails is taken back (${kind})`,
    [kind],
    async (context) => {
      const mesh = new ControlMesh(context);
      const [good, better] = await Promise.all(["good", "better"].map((name) => startNamed(context, name)));
      const bad = await startFailing(context);
      mesh.writeServices({
        users: [
          { port: good!, version: "v1" },
          { port: better!, version: "v2" },
          { port: bad, version: "v3" },
        ],
      });
      mesh.writePolicy({
        edge: { listen: "127.0.0.1:0", routes: [{ prefix: "/", service: "users" }] },
        services: { users: { split: { v1: 1 }, retries: { attempts: 0 } } },
      });
      const { xdsPort, apiPort } = await mesh.start({ weft: ledgers });
      const adminPort = (await freePorts(1))[0];
      const node = {
        control: `127.0.0.1:${xdsPort}`,
        nodeId: "edge-1",
        cluster: "edge",
        adminPort: adminPort!,
      };
      const proxy = await mesh.proxy(kind, proxyBootstrap(node));
      await mesh.synced("edge-1");
      const load = new Load(proxy.ports.get("edge")!, "/");
      const deploy = async (to: string) => {
        const response = await fetch(`http://127.0.0.1:${apiPort}/v1/deployments/users`, {
          method: "POST",
          headers: { "x-weft-user": "ann" },
          body: JSON.stringify({
            to,
            steps: [20, 100],
            interval_ms: 300,
            criteria: { min_requests: 10, max_latency_factor: 100 },
          }),
        });
        assert.equal(response.status, 200, await response.text());
      };
      const deployment = async () =>
        (await mesh.api<{ deployments: DeploymentJson[] }>("/v1/deployments")).deployments[0]!;
      const phase = (wanted: string) =>
        waitUntil(`it is ${wanted}`, async () => (await deployment()).phase === wanted, 20_000);
      await deploy("v2");
      await phase("done");
      assert.deepEqual((await deployment()).shares, { v1: 0, v2: 10_000 });
      assert.equal(load.failures.length, 0);
      await deploy("v3");
      await phase("rolled_back");
      const { reason, shares } = await deployment();
      assert.match(reason, /% of \d+ requests succeed.*99 % are wanted$/);
      assert.deepEqual(shares, { v2: 10_000, v3: 0 });
      await load.stop();
      assert.deepEqual(
        load.failures.map(([answer]) => answer),
        ["500 bad"],
      );
      const { revisions } = await mesh.api<{ revisions: { by: string; message: string }[] }>("/v1/revisions");
      assert.match(revisions[0]!.message, /^users v3 is rolled back: /);
      assert.ok(revisions.some(({ by, message }) => by === "ann" && message.startsWith("deploy users v2")));
    },
  );
}
