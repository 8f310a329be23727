import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../base/fake-clock.ts";
import { HOST_FAILED, HOST_FIELDS, HOST_WORDS } from "../../proxy/link.ts";
import type { MessageInit } from "../../proto/registry.ts";
import { TestClusters } from "../../testing/test-clusters.ts";

type SlowStartConfig = MessageInit<"envoy.config.cluster.v3.Cluster.SlowStartConfig">;

const CONTEXT = { headers: undefined, hash: undefined, tried: [], maxReselections: 0 };
const WINDOW = { seconds: 100n };

/** A cluster that had host 1 for an hour when host 2 came. */
class Newcomer {
  readonly clock = new FakeClock();
  readonly test = new TestClusters({ clock: this.clock, random: () => 0 });
  readonly first = this.test.host(1);
  readonly second = this.test.host(2);

  constructor(slowStartConfig: SlowStartConfig, policy: "roundRobinLbConfig" | "leastRequestLbConfig") {
    this.test.cluster("c", {
      lbPolicy: policy === "roundRobinLbConfig" ? 0 : 1,
      lbConfig: { case: policy, value: { slowStartConfig } },
    });
    this.test.hosts("c", [this.first]);
    this.test.clusters.get("c");
    this.clock.advance(3_600_000);
    this.test.hosts("c", [this.first, this.second]);
  }

  /** How many of a hundred picks host 2 gets. A new weight counts from a host's next turn on, so some go before. */
  share(): number {
    for (let i = 0; i < 20; i++) this.#picksSecond();
    let picked = 0;
    for (let i = 0; i < 100; i++) if (this.#picksSecond()) picked++;
    return picked;
  }

  #picksSecond(): boolean {
    return this.test.clusters.get("c")!.pick(CONTEXT)!.address.endsWith(":2");
  }
}

for (const policy of ["roundRobinLbConfig", "leastRequestLbConfig"] as const)
  describe(`slow start of ${policy}`, () => {
    it("begins with a tenth of the weight and grows with time", () => {
      const newcomer = new Newcomer({ slowStartWindow: WINDOW }, policy);
      assert.ok(Math.abs(newcomer.share() - 9) <= 1);
      newcomer.clock.advance(50_000);
      assert.ok(Math.abs(newcomer.share() - 33) <= 1);
      newcomer.clock.advance(50_000);
      assert.ok(Math.abs(newcomer.share() - 50) <= 1);
    });

    it("begins with min_weight_percent", () => {
      const newcomer = new Newcomer({ slowStartWindow: WINDOW, minWeightPercent: { value: 50 } }, policy);
      assert.ok(Math.abs(newcomer.share() - 33) <= 1);
    });

    it("grows faster at first with more aggression", () => {
      const aggression = { defaultValue: 2, runtimeKey: "a" };
      const newcomer = new Newcomer({ slowStartWindow: WINDOW, aggression }, policy);
      newcomer.clock.advance(25_000);
      assert.ok(Math.abs(newcomer.share() - 33) <= 1);
    });

    it("begins again when an active health check takes a host back", () => {
      const newcomer = new Newcomer({ slowStartWindow: WINDOW }, policy);
      newcomer.clock.advance(200_000);
      const failed = new Int32Array(newcomer.test.hostStates);
      const at = newcomer.first.slot * HOST_WORDS + HOST_FIELDS.failed;
      failed[at] = HOST_FAILED.activeCheck;
      newcomer.test.clusters.apply({ kind: "host-health", cluster: "c" });
      assert.equal(newcomer.share(), 100);
      failed[at] = 0;
      newcomer.test.clusters.apply({ kind: "host-health", cluster: "c" });
      assert.ok(Math.abs(newcomer.share() - 91) <= 1);
    });
  });
