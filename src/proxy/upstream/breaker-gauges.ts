import type { Messages } from "../../proto/messages.d.ts";
import { BREAKER_FIELDS, BREAKER_WORDS } from "../link.ts";
import { breakerLimits } from "./cluster-settings.ts";
import { clusterStatPrefix } from "./cluster-stats.ts";

const GAUGES = [
  ["connections", "cx_open", "remaining_cx"],
  ["pending", "rq_pending_open", "remaining_pending"],
  ["requests", "rq_open", "remaining_rq"],
  ["retries", "rq_retry_open", "remaining_retries"],
] as const;

/**
 * Puts a cluster's gauges below "circuit_breakers." into a snapshot of stats: those that are not 0, and what is left
 * if the configuration asks for it. The counts are those of all threads, so that no worker could tell.
 */
export function addBreakerGauges(
  message: Messages["envoy.config.cluster.v3.Cluster"],
  slot: number,
  counts: Int32Array,
  gauges: Map<string, number>,
): void {
  for (const priority of [0, 1] as const) {
    const limits = breakerLimits(message, priority);
    const base = slot * BREAKER_WORDS + priority * (BREAKER_WORDS / 2);
    const threshold = message.circuitBreakers?.thresholds.find((each) => each.priority === priority);
    for (const [resource, open, remaining] of GAUGES) {
      const count = Atomics.load(counts, base + BREAKER_FIELDS[resource]);
      const limit = limits[resource];
      if (count >= limit) gauges.set(gaugeName(message, priority, open), 1);
      if (threshold?.trackRemaining === true)
        gauges.set(gaugeName(message, priority, remaining), Math.max(0, limit - count));
    }
  }
}

function gaugeName(
  message: Messages["envoy.config.cluster.v3.Cluster"],
  priority: 0 | 1,
  gauge: string,
): string {
  const prefix = clusterStatPrefix(message.altStatName || message.name);
  return `${prefix}circuit_breakers.${priority === 0 ? "default" : "high"}.${gauge}`;
}
