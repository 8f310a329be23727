import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "../../../base/fake-clock.ts";
import { fromJson } from "../../../proto/registry.ts";
import { StatStore } from "../../../stats/stat-store.ts";
import { HOST_FAILED, type HostSpec } from "../../link.ts";
import { healthCheckSettings } from "./health-check-settings.ts";
import { HealthSession } from "./health-session.ts";
import { HealthStats } from "./health-stats.ts";
import { HEALTHY, NETWORK, UNHEALTHY, type ProbeOutcome } from "./probe.ts";

/** A host whose answers a test decides; tells when it was asked. */
class Rig {
  readonly clock = new FakeClock();
  readonly asked: number[] = [];
  readonly results: string[] = [];
  readonly session: HealthSession;
  /** Undefined: it does not answer. */
  answer: ProbeOutcome | undefined = HEALTHY;
  failed: number;
  used = true;
  dice = 0;

  constructor(config: object, failed: number = HOST_FAILED.activeCheck) {
    this.failed = failed;
    const settings = healthCheckSettings(
      fromJson("envoy.config.core.v3.HealthCheck", { timeout: "1s", interval: "10s", ...config } as never),
    );
    this.session = new HealthSession({
      host: {} as HostSpec,
      cluster: "c",
      settings,
      probe: {
        ask: (_host, _cluster, done) => {
          this.asked.push(this.clock.now());
          if (this.answer !== undefined) done(this.answer);
          return () => {};
        },
      },
      stats: new HealthStats(new StatStore(() => {}).scope("cluster.c.")),
      clock: this.clock,
      random: () => this.dice,
      used: () => this.used,
      failed: () => this.failed,
      mark: (bit, set) => (this.failed = set ? this.failed | bit : this.failed & ~bit),
      onResult: (healthy, changed) => this.results.push(`${healthy ? "good" : "bad"}${changed ? "!" : ""}`),
    });
    this.clock.advance(0);
  }

  /** Lets time pass; returns how long after each other it was asked, in seconds. */
  pauses(seconds: number): number[] {
    this.asked.splice(0, this.asked.length - 1);
    for (let i = 0; i < seconds; i++) this.clock.advance(1000);
    return this.asked.slice(1).map((at, i) => (at - this.asked[i]!) / 1000);
  }
}

test("HealthSession believes the first result, and later ones by their thresholds", () => {
  const rig = new Rig({ healthy_threshold: 3, unhealthy_threshold: 2 });
  assert.deepEqual(rig.results, ["good!"]);
  rig.answer = NETWORK;
  rig.pauses(20);
  assert.deepEqual(rig.results, ["good!", "bad", "bad!"]);
  rig.answer = HEALTHY;
  rig.pauses(30);
  assert.deepEqual(rig.results.slice(3), ["good", "good", "good!"]);
  rig.answer = UNHEALTHY;
  rig.pauses(10);
  assert.deepEqual(rig.results.slice(6), ["bad!"], "a host's own word counts at once");
  rig.session.close();
});

test("HealthSession forgets a failure after a success", () => {
  const rig = new Rig({ unhealthy_threshold: 2 });
  for (const answer of [NETWORK, HEALTHY, NETWORK, HEALTHY]) {
    rig.answer = answer;
    rig.pauses(10);
  }
  assert.deepEqual(rig.results, ["good!", "bad", "good", "bad", "good"]);
  rig.session.close();
});

test("HealthSession takes silence for a failure of the network", () => {
  const rig = new Rig({ unhealthy_threshold: 1 });
  rig.answer = undefined;
  rig.pauses(11);
  assert.deepEqual(rig.results, ["good!", "bad!"]);
  assert.deepEqual(rig.pauses(12), [11], "the interval begins when time has run out");
  rig.session.close();
});

test("HealthSession asks more often at the edges, and seldom without traffic", () => {
  const rig = new Rig({
    healthy_threshold: 2,
    unhealthy_threshold: 3,
    unhealthy_interval: "5s",
    unhealthy_edge_interval: "2s",
    healthy_edge_interval: "1s",
    no_traffic_interval: "30s",
    no_traffic_healthy_interval: "40s",
  });
  assert.deepEqual(rig.pauses(20), [10, 10]);
  rig.answer = NETWORK;
  assert.deepEqual(rig.pauses(14), [10, 2, 2]);
  assert.equal(rig.failed, HOST_FAILED.activeCheck);
  assert.deepEqual(rig.pauses(10), [5, 5]);
  rig.answer = HEALTHY;
  assert.deepEqual(rig.pauses(16), [5, 1, 10]);
  rig.used = false;
  assert.deepEqual(rig.pauses(50), [10, 40]);
  rig.session.close();
});

test("HealthSession adds jitter, and marks degraded hosts", () => {
  const rig = new Rig({ interval_jitter: "4s", interval_jitter_percent: 20 });
  rig.dice = 0.5;
  rig.answer = { kind: "healthy", degraded: true };
  assert.deepEqual(rig.pauses(24), [10, 13]);
  assert.equal(rig.failed, HOST_FAILED.degraded);
  rig.answer = HEALTHY;
  rig.pauses(13);
  assert.equal(rig.failed, 0);
  rig.session.close();
});
