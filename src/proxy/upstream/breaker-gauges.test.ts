import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromJson } from "../../proto/registry.ts";
import { BREAKER_FIELDS, BREAKER_WORDS } from "../link.ts";
import { addBreakerGauges } from "./breaker-gauges.ts";

describe("addBreakerGauges()", () => {
  it("shows full breakers and, when asked for, what is left", () => {
    const message = fromJson("envoy.config.cluster.v3.Cluster", {
      name: "up",
      circuit_breakers: { thresholds: [{ max_requests: 2, track_remaining: true }] },
    });
    const counts = new Int32Array(2 * BREAKER_WORDS);
    counts[BREAKER_WORDS + BREAKER_FIELDS.requests] = 2;
    counts[BREAKER_WORDS + BREAKER_FIELDS.connections] = 5;
    const gauges = new Map<string, number>();
    addBreakerGauges(message, 1, counts, gauges);
    assert.deepEqual(Object.fromEntries(gauges), {
      "cluster.up.circuit_breakers.default.remaining_cx": 1019,
      "cluster.up.circuit_breakers.default.remaining_pending": 1024,
      "cluster.up.circuit_breakers.default.rq_open": 1,
      "cluster.up.circuit_breakers.default.remaining_rq": 0,
      "cluster.up.circuit_breakers.default.remaining_retries": 3,
    });
  });
});
