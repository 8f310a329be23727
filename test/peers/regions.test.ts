import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import { loadParts } from "../../src/proxy/main/parts.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { startProxy, type ProxyKind } from "../../src/testing/start-proxy.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh, type Services } from "./control-mesh.ts";
import { RegionNamespaces } from "./region-namespaces.ts";

// Three regions, each with an edge, a front proxy and instances of its own; one of them is cut off and comes back.

const { ledgers } = await loadParts();
const REGIONS = ["eu", "us", "ap"];
const EDGE_PORT = 8080;
const GATEWAY_PORT = 15_443;
/** Where each service has instances, and on which port. */
const SERVICES: Readonly<Record<string, { readonly port: number; readonly regions: readonly string[] }>> = {
  everywhere: { port: 9001, regions: REGIONS },
  some: { port: 9002, regions: ["eu", "us"] },
  "only-us": { port: 9003, regions: ["us"] },
};
/** With --concurrency 1 each, they are many on a small machine. */
const PATIENCE_MS = 30_000;

/** What the clients of a region got. */
class Clients {
  readonly #child: ManagedProcess;

  constructor(context: TestContext, net: RegionNamespaces, region: string) {
    const own = Object.entries(SERVICES).filter(([, { regions }]) => regions.includes(region));
    const places = own.map(([service, { port }]) => `${service}:${port}`);
    const [command, ...prefix] = net.inside(region);
    const script = join(import.meta.dirname, "regions.child.ts");
    const args = [...prefix, process.execPath, script, region, String(EDGE_PORT), ...places, "--"];
    this.#child = new ManagedProcess(command!, [...args, ...Object.keys(SERVICES)]);
    context.after(() => this.#child.stop());
  }

  /** How many lines were printed so far: a moment to count from. */
  get now(): number {
    return this.#child.stdout.split("\n").length - 1;
  }

  /** How often each answer came for a service, from a moment on. */
  since(moment: number, service: string): Map<string, number> {
    const counts = new Map<string, number>();
    for (const line of this.#child.stdout.split("\n").slice(moment, -1)) {
      const answers = (JSON.parse(line) as Record<string, Record<string, number>>)[service] ?? {};
      for (const [answer, count] of Object.entries(answers))
        counts.set(answer, (counts.get(answer) ?? 0) + count);
    }
    return counts;
  }

  /** Waits until all of the last answers are what is wanted. */
  async settle(service: string, wanted: RegExp): Promise<void> {
    await waitUntil(
      `${service} answers ${wanted} (last: ${[...this.since(Math.max(0, this.now - 5), service).keys()].join(", ")})`,
      () => {
        const answers = [...this.since(Math.max(0, this.now - 5), service).keys()];
        return answers.length > 0 && answers.every((answer) => wanted.test(answer));
      },
      PATIENCE_MS,
    );
  }
}

function services(net: RegionNamespaces, without?: { service: string; region: string }): Services {
  return Object.fromEntries(
    Object.entries(SERVICES).map(([service, { port, regions }]) => [
      service,
      regions
        .filter((region) => service !== without?.service || region !== without.region)
        .map((region) => ({ ip: net.address(region), port, region })),
    ]),
  );
}

async function startRegion(
  context: TestContext,
  kind: ProxyKind,
  net: RegionNamespaces,
  region: string,
  xdsPort: number,
): Promise<void> {
  await Promise.all(
    ["edge", "gateway"].map(async (cluster) => {
      const bootstrap = proxyBootstrap({
        control: `${net.outside}:${xdsPort}`,
        nodeId: `${cluster}-${region}`,
        cluster,
        region,
        view: "any",
        adminPort: 0,
        adminHost: net.address(region),
      });
      const proxy = await startProxy(kind, bootstrap, { prefix: net.inside(region), timeoutMs: 60_000 });
      context.after(() => proxy.stop());
    }),
  );
}

for (const kind of ["envoy", "weft"] as const) {
  peerTest(`Regions serve each other, and go on when one is cut off (${kind})`, [kind], async (context) => {
    const problem = RegionNamespaces.problem();
    if (problem !== undefined) return context.skip(problem);
    const net = new RegionNamespaces(context, REGIONS);
    const mesh = new ControlMesh(context);
    mesh.writeServices(services(net));
    mesh.writePolicy({
      edge: { listen: `0.0.0.0:${EDGE_PORT}`, hosts: {} },
      connect_timeout_ms: 300,
      defaults: {
        retries: { attempts: 3, per_try_timeout_ms: 700 },
        outlier: { consecutive_gateway_failures: 2, interval_ms: 500, ejection_ms: 2000 },
      },
      regions: Object.fromEntries(
        REGIONS.map((region) => [region, { gateway: `${net.address(region)}:${GATEWAY_PORT}` }]),
      ),
    });
    const { xdsPort } = await mesh.start({ host: net.outside, apiHost: "127.0.0.1", weft: ledgers });
    for (const region of REGIONS) await startRegion(context, kind, net, region, xdsPort);
    const [eu, us, ap] = REGIONS.map((region) => new Clients(context, net, region)) as [
      Clients,
      Clients,
      Clients,
    ];

    // Each region serves itself, and what it has not comes from where it is.
    for (const [clients, region] of [
      [eu, "eu"],
      [us, "us"],
      [ap, "ap"],
    ] as const) {
      await clients.settle("everywhere", new RegExp(`^200 everywhere ${region}$`));
      await clients.settle("only-us", /^200 only-us us$/);
    }
    await eu.settle("some", /^200 some eu$/);
    await ap.settle("some", /^200 some (eu|us)$/);
    const start = [eu.now, us.now, ap.now] as const;
    await waitUntil("ap uses both regions", () => ap.since(start[2], "some").size === 2, PATIENCE_MS);

    // One region is gone for the others, and they for it.
    net.cut("us", true);
    await eu.settle("only-us", /^50[34] /);
    await ap.settle("only-us", /^50[34] /);
    await ap.settle("some", /^200 some eu$/);
    await us.settle("everywhere", /^200 everywhere us$/);
    await us.settle("only-us", /^200 only-us us$/);

    // It comes back.
    net.cut("us", false);
    await eu.settle("only-us", /^200 only-us us$/);
    await ap.settle("only-us", /^200 only-us us$/);

    // Instances go away in one region: the others take over.
    mesh.writeServices(services(net, { service: "everywhere", region: "eu" }));
    await eu.settle("everywhere", /^200 everywhere (us|ap)$/);

    for (const [i, clients] of [eu, us, ap].entries()) {
      for (const service of Object.keys(SERVICES)) {
        const answers = [...clients.since(start[i]!, service).keys()];
        const wrong = answers.filter(
          (answer) => answer.startsWith("200") && !answer.startsWith(`200 ${service} `),
        );
        assert.deepEqual(wrong, [], `no answer of another service in ${REGIONS[i]}`);
        // Only what is nowhere else may fail.
        const failed = answers.filter((answer) => !answer.startsWith("200"));
        if (service !== "only-us" || clients === us)
          assert.deepEqual(failed, [], `${service} in ${REGIONS[i]}`);
      }
    }
  });
}
