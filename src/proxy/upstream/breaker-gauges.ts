import type { Messages } from "../../proto/messages.d.ts";
import type { StatScope } from "../../stats/stat-store.ts";
import { BREAKER_FIELDS, BREAKER_WORDS } from "../link.ts";
import { breakerLimits } from "./cluster-settings.ts";

const GAUGES = [
  ["connections", "cx_open", "remaining_cx"],
  ["pending", "rq_pending_open", "remaining_pending"],
  ["requests", "rq_open", "remaining_rq"],
  ["retries", "rq_retry_open", "remaining_retries"],
] as const;

/**
 * Sets a cluster's gauges below "circuit_breakers." from the shared counts. The main thread calls it before stats are
 * read: the breakers are those of all threads, so that no worker could tell.
 */
export function refreshBreakerGauges(
  message: Messages["envoy.config.cluster.v3.Cluster"],
  slot: number,
  counts: Int32Array,
  scope: StatScope,
): void {
  for (const priority of [0, 1] as const) {
    const limits = breakerLimits(message, priority);
    const base = slot * BREAKER_WORDS + priority * (BREAKER_WORDS / 2);
    const prefix = `circuit_breakers.${priority === 0 ? "default" : "high"}.`;
    const tracked = message.circuitBreakers?.thresholds.find((t) => t.priority === priority)?.trackRemaining;
    for (const [resource, open, remaining] of GAUGES) {
      const count = Atomics.load(counts, base + BREAKER_FIELDS[resource]);
      const limit = limits[resource];
      scope.gauge(prefix + open).set(count >= limit ? 1 : 0);
      if (tracked === true) scope.gauge(prefix + remaining).set(Math.max(0, limit - count));
    }
  }
}
