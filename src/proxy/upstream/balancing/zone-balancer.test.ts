import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TestClusters } from "../../../testing/test-clusters.ts";
import type { HostSpec } from "../../link.ts";
import { localityKey } from "./localities.ts";

const CONTEXT = { headers: undefined, hash: undefined, tried: [], maxReselections: 0 };

/** A repeatable source of random numbers. */
function chance(): () => number {
  let state = 12345;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A proxy in zone a, whose cluster "mesh" has proxies, and "up" has hosts, in these zones: one per letter. */
class Zones {
  readonly test = new TestClusters({
    random: chance(),
    home: { cluster: "mesh", locality: localityKey({ region: "", zone: "a", subZone: "" }) },
  });

  constructor(proxies: string, hosts: string) {
    this.test.cluster("mesh");
    this.test.cluster("up", {
      commonLbConfig: {
        localityConfigSpecifier: { case: "zoneAwareLbConfig", value: { minClusterSize: 1n } },
      },
    });
    this.spread("mesh", proxies);
    this.spread("up", hosts);
  }

  spread(cluster: string, zones: string, more: Partial<HostSpec> = {}): void {
    this.test.hosts(
      cluster,
      zones.split("").map((zone, i) => this.test.host(i + 1, { zone, ...more })),
    );
  }

  /** Checks which percentage of picks each zone gets. */
  gets(expected: Record<string, number>): void {
    const counts: Record<string, number> = {};
    for (let i = 0; i < 10_000; i++) {
      const { zone } = this.test.clusters.get("up")!.pick(CONTEXT)!.locality;
      counts[zone] = (counts[zone] ?? 0) + 1;
    }
    assert.deepEqual(Object.keys(counts).toSorted(), Object.keys(expected).toSorted());
    for (const [zone, percent] of Object.entries(expected))
      assert.ok(Math.abs(counts[zone]! / 100 - percent) < 2, `${zone}: ${counts[zone]! / 100}`);
  }
}

describe("ZoneBalancer", () => {
  it("stays in the zone if its share of hosts is that of its proxies, or larger", () => {
    new Zones("ab", "ab").gets({ a: 100 });
    new Zones("ab", "aaab").gets({ a: 100 });
  });

  it("sends what the zone cannot take where hosts are to spare", () => {
    // Half of the proxies, a quarter of the hosts: half of the requests stay.
    new Zones("aabb", "abbb").gets({ a: 50, b: 50 });
    // 40, 40, 20 % of the proxies and 25, 50, 25 % of the hosts: 62.5 % stay, the rest goes as 10 to 5.
    new Zones("aabbc", "abbc").gets({ a: 62.5, b: 25, c: 12.5 });
  });

  it("spreads over the other zones if its own has no hosts", () => {
    new Zones("ab", "bbcc").gets({ c: 100 });
    new Zones("abc", "bc").gets({ b: 50, c: 50 });
  });

  it("goes by hosts that are fit", () => {
    const zones = new Zones("ab", "ab");
    zones.test.hosts("up", [
      zones.test.host(1, { zone: "a", health: "unhealthy" }),
      zones.test.host(2, { zone: "b" }),
    ]);
    zones.gets({ b: 100 });
  });

  it("picks nobody while nobody is fit, however small the cluster may be", () => {
    const zones = new Zones("ab", "");
    zones.test.cluster("up", {
      commonLbConfig: {
        healthyPanicThreshold: { value: 0 },
        localityConfigSpecifier: { case: "zoneAwareLbConfig", value: { minClusterSize: 0n } },
      },
    });
    zones.spread("up", "ab", { health: "unhealthy" });
    assert.equal(zones.test.clusters.get("up")!.pick(CONTEXT), undefined);
  });

  it("hears of proxies that come and go", () => {
    const zones = new Zones("ab", "abbb");
    zones.gets({ a: 50, b: 50 });
    zones.spread("mesh", "abbb");
    zones.gets({ a: 100 });
    zones.spread("mesh", "a");
    zones.gets({ a: 25, b: 75 });
    assert.equal(zones.test.counts("up")["lb_zone_routing_all_directly"], 10_000);
  });
});
