import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromJson } from "../../proto/registry.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import { BREAKER_FIELDS, BREAKER_WORDS } from "../link.ts";
import { refreshBreakerGauges } from "./breaker-gauges.ts";

const message = fromJson("envoy.config.cluster.v3.Cluster", {
  name: "up",
  circuit_breakers: { thresholds: [{ max_requests: 2, track_remaining: true }] },
});

describe("refreshBreakerGauges()", () => {
  it("shows full breakers and, when asked for, what is left", () => {
    const test = new TestClusters();
    const counts = new Int32Array(test.breakers);
    counts[BREAKER_WORDS + BREAKER_FIELDS.requests] = 2;
    counts[BREAKER_WORDS + BREAKER_FIELDS.connections] = 5;
    refreshBreakerGauges(message, 1, counts, test.stats.scope("cluster.up."));
    const found = test.counts("up");
    assert.equal(found["circuit_breakers.default.rq_open"], 1);
    assert.equal(found["circuit_breakers.default.cx_open"], undefined);
    assert.equal(found["circuit_breakers.default.remaining_cx"], 1019);
    assert.equal(found["circuit_breakers.default.remaining_rq"], undefined);
    assert.equal(found["circuit_breakers.high.remaining_cx"], undefined);
  });
});
