import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { create, encode, type MessageInit } from "../../../proto/registry.ts";
import { TestClusters } from "../../../testing/test-clusters.ts";
import type { HostSpec } from "../../link.ts";
import { MetadataMatch } from "../../metadata-match.ts";

type Config = MessageInit<"envoy.config.cluster.v3.Cluster.LbSubsetConfig">;

function metadataOf(labels: JsonObject) {
  return create("envoy.config.core.v3.Metadata", { filterMetadata: { "envoy.lb": labels } });
}

/** A cluster with subsets whose hosts have these labels, on ports 1, 2, … */
class Subsets {
  readonly test = new TestClusters({ random: () => 0 });

  constructor(config: Config, labels: readonly JsonObject[]) {
    this.configure(config);
    this.hosts(labels.map((each, i) => this.host(i + 1, each)));
  }

  configure(config: Config | undefined): void {
    this.test.cluster("c", config === undefined ? {} : { lbSubsetConfig: config });
  }

  host(port: number, labels: JsonObject, more: Partial<HostSpec> = {}): HostSpec {
    const metadata = encode("envoy.config.core.v3.Metadata", metadataOf(labels));
    return this.test.host(port, { metadata, ...more });
  }

  hosts(hosts: readonly HostSpec[]): void {
    this.test.hosts("c", hosts);
  }

  /** Ports of so many picks in order. */
  picks(wanted: JsonObject | undefined, count = 4): number[] {
    const metadataMatch = wanted === undefined ? undefined : MetadataMatch.of(metadataOf(wanted));
    const context = { headers: undefined, hash: undefined, tried: [], maxReselections: 0, metadataMatch };
    const ports = Array.from({ length: count }, () => {
      const host = this.test.clusters.get("c")!.pick(context);
      return host === undefined ? 0 : Number(host.address.split(":")[1]);
    });
    return ports.toSorted((a, b) => a - b);
  }

  stats(): string {
    const names = ["active", "created", "removed", "selected", "fallback"];
    const counts = this.test.counts("c");
    return names.map((name) => `${name} ${counts[`lb_subsets_${name}`] ?? 0}`).join(", ");
  }
}

const BY_VERSION: Config = { subsetSelectors: [{ keys: ["version"] }, { keys: ["version", "stage"] }] };

describe("SubsetBalancer", () => {
  it("takes turns within the subset that a route asks for", () => {
    const subsets = new Subsets(BY_VERSION, [
      { version: "1", stage: "prod" },
      { version: "2", stage: "prod" },
      { version: "2", stage: "dev" },
    ]);
    assert.deepEqual(subsets.picks({ version: "1" }), [1, 1, 1, 1]);
    assert.deepEqual(subsets.picks({ version: "2" }), [2, 2, 3, 3]);
    assert.deepEqual(subsets.picks({ stage: "dev", version: "2" }), [3, 3, 3, 3]);
    assert.deepEqual(subsets.picks({ stage: "dev" }), [0, 0, 0, 0]);
    assert.deepEqual(subsets.picks(undefined), [0, 0, 0, 0]);
  });

  it("counts subsets as hosts come and go", () => {
    const subsets = new Subsets(BY_VERSION, [{ version: "1" }, { version: "2", stage: "prod" }]);
    subsets.picks({ version: "1" }, 3);
    assert.equal(subsets.stats(), "active 3, created 3, removed 0, selected 3, fallback 0");
    subsets.hosts([subsets.host(1, { version: "1" }), subsets.host(3, { version: "3" })]);
    assert.equal(subsets.stats(), "active 2, created 4, removed 2, selected 3, fallback 0");
    assert.deepEqual(subsets.picks({ version: "2" }), [0, 0, 0, 0]);
    assert.deepEqual(subsets.picks({ version: "3" }), [3, 3, 3, 3]);
    subsets.configure(undefined);
    assert.equal(subsets.stats(), "active 0, created 4, removed 4, selected 7, fallback 0");
    assert.deepEqual(subsets.picks({ version: "9" }), [1, 1, 3, 3]);
  });

  it("balances over priorities and health within a subset alone", () => {
    const subsets = new Subsets({ fallbackPolicy: 1, subsetSelectors: [{ keys: ["v"] }] }, []);
    subsets.hosts([
      subsets.host(1, { v: "1" }, { health: "unhealthy" }),
      subsets.host(2, { v: "1" }, { priority: 1 }),
      subsets.host(3, { v: "2" }),
    ]);
    assert.deepEqual(subsets.picks({ v: "1" }), [2, 2, 2, 2]);
    assert.deepEqual(subsets.picks({ v: "2" }), [3, 3, 3, 3]);
    assert.deepEqual(subsets.picks({ v: "3" }), [3, 3, 3, 3]);
  });

  it("sees new labels of a host that stays", () => {
    const subsets = new Subsets(BY_VERSION, []);
    const host = subsets.host(1, { version: "1" });
    subsets.hosts([host]);
    assert.deepEqual(subsets.picks({ version: "1" }, 1), [1]);
    subsets.hosts([
      { ...host, metadata: encode("envoy.config.core.v3.Metadata", metadataOf({ version: "2" })) },
    ]);
    assert.deepEqual(subsets.picks({ version: "1" }, 1), [0]);
    assert.deepEqual(subsets.picks({ version: "2" }, 1), [1]);
  });
});
