import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromJson } from "../../proto/registry.ts";
import { MergedStats } from "../../stats/merged-stats.ts";
import { StatStore } from "../../stats/stat-store.ts";
import { BREAKER_FIELDS, BREAKER_WORDS } from "../link.ts";
import { BreakerGauges } from "./breaker-gauges.ts";

describe("BreakerGauges.update()", () => {
  it("shows full breakers and, when asked for, what is left", () => {
    const message = fromJson("envoy.config.cluster.v3.Cluster", {
      name: "up:1",
      circuit_breakers: { thresholds: [{ max_requests: 2, track_remaining: true }] },
    });
    const breakers = new SharedArrayBuffer(2 * BREAKER_WORDS * 4);
    const counts = new Int32Array(breakers);
    counts[BREAKER_WORDS + BREAKER_FIELDS.requests] = 2;
    counts[BREAKER_WORDS + BREAKER_FIELDS.connections] = 5;
    const merged = new MergedStats();
    const store = new StatStore((update) => merged.update("main", update));
    const gauges = new BreakerGauges(store, breakers);
    const shown = (): Record<string, number> => {
      gauges.update(message, 1);
      store.flush();
      return Object.fromEntries(merged.snapshot().gauges);
    };
    assert.deepEqual(shown(), {
      "cluster.up_1.circuit_breakers.default.remaining_cx": 1019,
      "cluster.up_1.circuit_breakers.default.remaining_pending": 1024,
      "cluster.up_1.circuit_breakers.default.rq_open": 1,
      "cluster.up_1.circuit_breakers.default.remaining_rq": 0,
      "cluster.up_1.circuit_breakers.default.remaining_retries": 3,
    });
    counts[BREAKER_WORDS + BREAKER_FIELDS.requests] = 1;
    assert.equal(shown()["cluster.up_1.circuit_breakers.default.rq_open"], 0);
  });
});
