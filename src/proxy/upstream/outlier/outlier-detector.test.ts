import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "../../../base/fake-clock.ts";
import { create, type MessageInit } from "../../../proto/registry.ts";
import { MergedStats } from "../../../stats/merged-stats.ts";
import { StatStore } from "../../../stats/stat-store.ts";
import { HOST_FIELDS, HOST_WORDS, type HostSpec } from "../../link.ts";
import { SharedCounts } from "../shared-counts.ts";
import { OutlierDetector } from "./outlier-detector.ts";
import { OutlierMonitor } from "./outlier-monitor.ts";
import { outlierSettings } from "./outlier-settings.ts";

function spec(slot: number): HostSpec {
  return {
    slot,
    address: `10.0.0.${slot}:80`,
    ip: `10.0.0.${slot}`,
    port: 80,
    hostname: "",
    weight: 1,
    priority: 0,
    region: "",
    zone: "",
    subZone: "",
    localityWeight: 1,
    health: "healthy",
    metadata: undefined,
  };
}

/** A cluster of some hosts, watched by as many threads as one likes. */
class Rig {
  readonly clock = new FakeClock();
  readonly shared = new SharedArrayBuffer(16 * HOST_WORDS * 4);
  readonly states = new Int32Array(this.shared);
  readonly merged = new MergedStats();
  readonly stats = new StatStore((update) => this.merged.update("main", update));
  readonly settings;
  readonly detector: OutlierDetector;
  changes = 0;
  dice = 0.5;

  constructor(config: MessageInit<"envoy.config.cluster.v3.OutlierDetection">, hosts: number) {
    this.settings = outlierSettings(create("envoy.config.cluster.v3.OutlierDetection", config))!;
    const none = (): void => {};
    this.detector = new OutlierDetector({
      cluster: "c",
      settings: this.settings,
      scope: this.stats.scope("cluster.c."),
      hostStates: this.states,
      clock: this.clock,
      log: { trace: none, debug: none, info: none, warn: none, error: none },
      random: () => this.dice,
      onChange: () => this.changes++,
    });
    this.detector.setHosts(Array.from({ length: hosts }, (_, slot) => spec(slot)));
  }

  /** The view of one thread on a host. */
  monitor(slot: number): OutlierMonitor {
    const counts = new SharedCounts(this.shared, undefined);
    return new OutlierMonitor(this.settings, counts, slot * HOST_WORDS, slot, (kind, of) =>
      this.detector.onConsecutive(kind, of),
    );
  }

  ejected(): number[] {
    const all = Array.from({ length: 16 }, (_, slot) => slot);
    return all.filter((slot) => this.states[slot * HOST_WORDS + HOST_FIELDS.failed] !== 0);
  }

  count(name: string): number {
    this.stats.flush();
    const { counters, gauges } = this.merged.snapshot();
    return (
      counters.get(`cluster.c.outlier_detection.${name}`) ??
      gauges.get(`cluster.c.outlier_detection.${name}`) ??
      0
    );
  }
}

function answer(monitor: OutlierMonitor, good: number, bad: number): void {
  for (let i = 0; i < good; i++) monitor.onStatus(200);
  for (let i = 0; i < bad; i++) monitor.onStatus(500);
}

test("OutlierDetector counts failures in a row over all threads", () => {
  const rig = new Rig({ maxEjectionPercent: 50 }, 2);
  const [a, b] = [rig.monitor(1), rig.monitor(1)];
  for (const each of [a, b, a, b]) each.onStatus(500);
  assert.deepEqual(rig.ejected(), []);
  a.onStatus(503);
  assert.deepEqual(rig.ejected(), [1]);
  assert.equal(rig.changes, 1);
  rig.detector.close();
  assert.deepEqual(rig.ejected(), [], "nothing stays out of use when nobody would let it back in");
});

test("OutlierDetector ejects for longer each time, and forgives", () => {
  const base = { seconds: 10n, nanos: 0 };
  const rig = new Rig(
    { maxEjectionPercent: 100, consecutive5xx: 1, interval: base, baseEjectionTime: base },
    1,
  );
  const eject = (): void => {
    rig.monitor(0).onStatus(500);
    assert.deepEqual(rig.ejected(), [0]);
  };
  const lasts = (): number => {
    let rounds = 0;
    while (rig.ejected().length > 0) {
      rig.clock.advance(10_000);
      rounds++;
    }
    return rounds;
  };
  eject();
  assert.equal(lasts(), 1);
  eject();
  assert.equal(lasts(), 2);
  eject();
  assert.equal(lasts(), 3);
  rig.clock.advance(20_000);
  eject();
  assert.equal(lasts(), 2);
  rig.detector.close();
});

test("OutlierDetector compares success rates at each interval", () => {
  const rig = new Rig({ maxEjectionPercent: 100, consecutive5xx: 1000, successRateStdevFactor: 1000 }, 5);
  for (let slot = 0; slot < 4; slot++) answer(rig.monitor(slot), 100, 0);
  answer(rig.monitor(4), 80, 20);
  rig.clock.advance(10_000);
  assert.deepEqual(rig.ejected(), [4]);
  const { average, threshold, rateOf } = rig.detector.report("external");
  assert.equal(average, 96);
  assert.equal(threshold, 88);
  assert.deepEqual([rateOf(0), rateOf(4), rateOf(9)], [100, 80, -1]);
  assert.equal(rig.count("ejections_enforced_success_rate"), 1);
  rig.detector.close();
});

test("OutlierDetector does not judge by a handful of requests", () => {
  const rig = new Rig({ maxEjectionPercent: 100, consecutive5xx: 1000, enforcingFailurePercentage: 100 }, 5);
  for (let slot = 0; slot < 4; slot++) answer(rig.monitor(slot), 200, 0);
  answer(rig.monitor(4), 0, 49);
  rig.clock.advance(10_000);
  assert.deepEqual(rig.ejected(), []);
  // 50 in one interval are enough to count failures, and not to compare rates.
  answer(rig.monitor(4), 0, 50);
  rig.clock.advance(10_000);
  assert.deepEqual(rig.ejected(), [4]);
  assert.equal(rig.count("ejections_enforced_failure_percentage"), 1);
  assert.equal(rig.count("ejections_detected_success_rate"), 0);
  rig.detector.close();
});

test("OutlierDetector enforces a share of what it finds, and keeps most hosts in use", () => {
  const rig = new Rig({ maxEjectionPercent: 40, consecutive5xx: 1, enforcingConsecutive5xx: 60 }, 5);
  rig.dice = 0.7;
  rig.monitor(0).onStatus(500);
  assert.deepEqual(rig.ejected(), []);
  rig.dice = 0.5;
  for (let slot = 0; slot < 5; slot++) rig.monitor(slot).onStatus(500);
  assert.deepEqual(rig.ejected(), [0, 1]);
  assert.equal(rig.count("ejections_overflow"), 3);
  assert.equal(rig.count("ejections_active"), 2);
  // A host that goes frees its place.
  rig.detector.setHosts([1, 2, 3, 4].map(spec));
  assert.deepEqual(rig.ejected(), [1]);
  rig.detector.close();
});
