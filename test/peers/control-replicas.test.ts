import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { proxyBootstrap } from "../../src/cli/proxy-bootstrap.ts";
import { freePorts } from "../../src/cli/up/free-ports.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { RealEtcd } from "../../src/testing/real-etcd.ts";
import type { ProxyKind, RunningProxy } from "../../src/testing/start-proxy.ts";
import { TcpRelay } from "../../src/testing/tcp-relay.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { ControlMesh, get, Load, startNamed } from "./control-mesh.ts";
import { ControlReplica } from "./control-replica.ts";

// Several control planes over one etcd: any of them, and any member of etcd, may die at any time.

interface RevisionJson {
  readonly number: number;
  readonly by: string;
  readonly message: string;
}

/** Enough for a proxy to find out that its control plane is gone, and to have tried others, on a busy machine. */
const CONVERGED_MS = 30_000;

/** A proxy at the edge with requests running through it. */
class LoadedProxy {
  readonly proxy: RunningProxy;
  readonly load: Load;

  static async start(mesh: ControlMesh, kind: ProxyKind, control: string): Promise<LoadedProxy> {
    const [adminPort] = await freePorts(1);
    const node = { control, nodeId: kind, cluster: "edge", adminPort: adminPort!, keepaliveInterval: 1 };
    const loaded = new LoadedProxy(await mesh.proxy(kind, proxyBootstrap(node)));
    mesh.context.after(() => loaded.load.stop());
    return loaded;
  }

  private constructor(proxy: RunningProxy) {
    this.proxy = proxy;
    this.load = new Load(this.#port, "/");
  }

  /** Resolves when a request is answered by this endpoint. */
  async reaches(name: string): Promise<void> {
    const answered = async () => (await get(this.#port, "/")) === `200 ${name}`;
    await waitUntil(`${this.proxy.kind} reaches ${name}`, answered, CONVERGED_MS);
  }

  get #port(): number {
    return this.proxy.ports.get("edge")!;
  }
}

/** Three control planes, each with a way of its own to each of three members of etcd, and two proxies under load. */
class Site {
  readonly mesh: ControlMesh;
  readonly members: RealEtcd[];
  readonly replicas: ControlReplica[] = [];
  /** The ways from each replica to etcd. */
  readonly ways: TcpRelay[][] = [];
  readonly proxies: LoadedProxy[] = [];
  readonly #ports = new Map<string, number>();
  readonly #times: number[] = [];

  static async start(context: TestContext): Promise<Site> {
    const site = new Site(new ControlMesh(context), await RealEtcd.startCluster(context, 3));
    const { mesh, members, replicas, ways } = site;
    for (const name of ["one", "two", "new"]) site.#ports.set(name, await startNamed(context, name));
    site.write(["one"]);
    mesh.writePolicy(site.policy());
    for (let i = 0; i < 3; i++) {
      const own = await Promise.all(
        members.map(async ({ url }) => TcpRelay.start(context, Number(new URL(url).port))),
      );
      ways.push(own);
      // Each begins with another member.
      const urls = own.map((_, j) => `http://127.0.0.1:${own[(i + j) % 3]!.port}`);
      const source = `file:path=${mesh.sources}`;
      const kept = join(mesh.folder, `last-good-${i}.json`);
      replicas.push(
        await ControlReplica.make(context, [
          "--source",
          source,
          "--mesh",
          mesh.policyFile,
          "--etcd",
          urls.join(),
          "--last-good",
          kept,
        ]),
      );
    }
    await Promise.all(replicas.map(async (replica) => replica.start()));
    const control = replicas.map(({ xdsPort }) => `127.0.0.1:${xdsPort}`).join();
    for (const kind of ["envoy", "weft"] as const)
      site.proxies.push(await LoadedProxy.start(mesh, kind, control));
    return site;
  }

  private constructor(mesh: ControlMesh, members: RealEtcd[]) {
    this.mesh = mesh;
    this.members = members;
  }

  policy(more: object = {}): object {
    return {
      edge: { listen: "127.0.0.1:0", routes: [{ prefix: "/", service: "users" }] },
      services: { users: { split: { v1: 1 }, retries: { attempts: 0 } } },
      ...more,
    };
  }

  /** The instances of the one service; "new" is of another version. */
  write(names: readonly string[]): void {
    const instance = (name: string) => ({
      port: this.#ports.get(name)!,
      version: name === "new" ? "v2" : "v1",
    });
    this.mesh.writeServices({ users: names.map(instance) });
  }

  /** Makes one endpoint the only one, and waits until each proxy knows it. */
  async moveTo(name: string): Promise<void> {
    const begun = performance.now();
    this.write([name]);
    await Promise.all(this.proxies.map(async (each) => each.reaches(name)));
    this.#times.push(Math.round(performance.now() - begun));
  }

  /** The replica that serves a proxy. */
  async replicaOf(kind: ProxyKind): Promise<ControlReplica> {
    return waitUntil(
      `${kind} is with a replica`,
      async () => {
        for (const each of this.replicas)
          if ((await each.nodes().catch((): string[] => [])).includes(kind)) return each;
        return undefined;
      },
      CONVERGED_MS,
    );
  }

  /** The newest first. */
  async revisions(replica: ControlReplica): Promise<RevisionJson[]> {
    return (await replica.get<{ revisions: RevisionJson[] }>("/v1/revisions")).revisions;
  }

  async inForce(replica: ControlReplica): Promise<number> {
    return (await replica.get<{ revision: number }>("/v1/policy")).revision;
  }

  /** Waits until every one of these replicas has the revision in force. */
  async agree(number: number, replicas: readonly ControlReplica[]): Promise<void> {
    const all = async () =>
      (await Promise.all(replicas.map(async (each) => this.inForce(each)))).every((n) => n === number);
    await waitUntil(`revision ${number} is in force everywhere`, all, CONVERGED_MS);
  }

  /** Every request was answered; tells how many there were and how long changes took. */
  async finish(context: TestContext): Promise<void> {
    for (const { proxy, load } of this.proxies) {
      await load.stop();
      context.diagnostic(`${proxy.kind}: ${load.total} requests, ${load.failures.length} kinds of failures`);
    }
    context.diagnostic(`changes reached both proxies after ${this.#times.join(", ")} ms`);
    for (const { load } of this.proxies) assert.deepEqual(load.failures, []);
  }
}

peerTest(
  "Control planes die, freeze, and lose etcd: proxies go to others, and no request fails",
  ["envoy", "etcd"],
  async (context) => {
    const site = await Site.start(context);
    const { members, mesh, replicas, ways } = site;
    await site.moveTo("two");

    await context.test("a policy file that all have is one revision", async () => {
      const before = await site.inForce(replicas[0]!);
      mesh.writePolicy(site.policy({ connect_timeout_ms: 777 }));
      await site.agree(before + 1, replicas);
    });

    await context.test("one that is killed", async () => {
      const serving = await site.replicaOf("envoy");
      await serving.kill();
      await site.moveTo("one");
      await serving.start();
    });

    await context.test("one that is frozen", async () => {
      const serving = await site.replicaOf("weft");
      serving.freeze(true);
      await site.moveTo("two");
      serving.freeze(false);
    });

    await context.test("one that is cut off from etcd serves on, and learns what it missed", async () => {
      const [cut, ...others] = replicas as [ControlReplica, ...ControlReplica[]];
      for (const way of ways[0]!) way.block(true);
      const before = await site.inForce(others[0]!);
      const rolledBack = await others[0]!.post(`/v1/revisions/${before}/rollback`);
      assert.equal(rolledBack.status, 200, rolledBack.text);
      await site.agree(before + 1, others);
      await site.moveTo("one");
      for (const way of ways[0]!) way.block(false);
      await site.agree(before + 1, [cut]);
    });

    await context.test("members of etcd die in turn", async () => {
      for (const [i, member] of members.entries()) {
        await member.kill();
        const writer = replicas[i]!;
        const before = await site.inForce(writer);
        const written = await writer.post(`/v1/revisions/${before}/rollback`);
        assert.equal(written.status, 200, written.text);
        await site.agree(before + 1, replicas);
        await site.moveTo(i % 2 === 0 ? "two" : "one");
        await member.start();
      }
    });

    await context.test(
      "without a majority changes of the policy are refused, and endpoints go on, over a restart, too",
      async () => {
        await Promise.all([members[0]!.kill(), members[1]!.kill()]);
        const before = await site.inForce(replicas[0]!);
        const refused = await replicas[0]!.post(`/v1/revisions/${before}/rollback`);
        assert.equal(refused.status, 503, refused.text);
        assert.match(refused.text, /Cannot reach etcd at .*nothing is changed/);
        await site.moveTo("one");
        const restarted = await site.replicaOf("envoy");
        await restarted.kill();
        await restarted.start();
        assert.equal(await site.inForce(restarted), before);
        assert.match(await restarted.text("/metrics"), /^weft_history_failing 1$/m);
        const refusedAgain = await restarted.post(`/v1/revisions/${before}/rollback`);
        assert.equal(refusedAgain.status, 503, refusedAgain.text);
        await site.moveTo("two");
        await Promise.all([members[0]!.start(), members[1]!.start()]);
        const again = await waitUntil(
          "changes are taken again",
          async () => {
            const written = await replicas[1]!.post(`/v1/revisions/${before}/rollback`);
            return written.status === 200
              ? (JSON.parse(written.text) as { revision: number }).revision
              : undefined;
          },
          CONVERGED_MS,
        );
        await site.agree(again, replicas);
        assert.match(await restarted.text("/metrics"), /^weft_history_failing 0$/m);
      },
    );

    await context.test("a deployment whose replica dies goes on, each step once", async () => {
      site.write(["one", "new"]);
      const starter = await site.replicaOf("envoy");
      // How long a handful of requests takes on a busy machine says nothing of a version.
      const criteria = { min_requests: 10, max_latency_factor: 100 };
      const body = { to: "v2", steps: [20, 40, 60, 100], interval_ms: 1000, criteria };
      await waitUntil("the new version is known", async () => {
        const { status } = await starter.post("/v1/deployments/users", body);
        return status === 200;
      });
      const steps = async (replica: ControlReplica) =>
        (await site.revisions(replica))
          .map(({ message }) => message)
          .filter((text) => text.startsWith("users v2"));
      await waitUntil("a step was taken", async () => (await steps(starter)).length > 0, CONVERGED_MS);
      await starter.kill();
      const other = replicas.find((each) => each !== starter)!;
      const finished = async () => (await steps(other)).includes("users v2 is deployed");
      await waitUntil("the deployment is done", finished, 2 * CONVERGED_MS).catch(async (error: Error) => {
        const deployments = JSON.stringify(await other.get("/v1/deployments"));
        throw new Error(`${error.message}; it stands at ${deployments}`, { cause: error });
      });
      assert.deepEqual((await steps(other)).toReversed(), [
        "users v2 gets 40 % of requests",
        "users v2 gets 60 % of requests",
        "users v2 gets 100 % of requests",
        "users v2 is deployed",
      ]);
      await starter.start();
      await pause(1500);
      assert.equal((await steps(starter)).length, 4);
    });

    await site.finish(context);
  },
);
