import type { Messages } from "../../proto/messages.d.ts";
import type { Gauge, StatStore } from "../../stats/stat-store.ts";
import { BREAKER_FIELDS, BREAKER_WORDS } from "../link.ts";
import { breakerLimits } from "./cluster-settings.ts";
import { clusterStatPrefix } from "./cluster-stats.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];

const GAUGES = [
  ["connections", "cx_open", "remaining_cx"],
  ["pending", "rq_pending_open", "remaining_pending"],
  ["requests", "rq_open", "remaining_rq"],
  ["retries", "rq_retry_open", "remaining_retries"],
] as const;
const PRIORITIES = ["default", "high"] as const;

/**
 * Clusters' gauges below "circuit_breakers.". Their counts are those of all threads, so that no worker could tell: they
 * are brought up to date before stats are read.
 */
export class BreakerGauges {
  readonly #stats: StatStore;
  readonly #counts: Int32Array;
  /** Gauges that were written, by name. */
  readonly #gauges = new Map<string, Gauge>();

  constructor(stats: StatStore, breakers: SharedArrayBuffer) {
    this.#stats = stats;
    this.#counts = new Int32Array(breakers);
  }

  /** @param slot the cluster's place among the breakers */
  update(message: ClusterMessage, slot: number): void {
    for (const priority of [0, 1] as const) {
      const base = slot * BREAKER_WORDS + priority * (BREAKER_WORDS / 2);
      const threshold = message.circuitBreakers?.thresholds.find((each) => each.priority === priority);
      const tracked = threshold?.trackRemaining === true;
      // Most clusters were never full, and no limit is below 0.
      if (!tracked && this.#gauges.size === 0 && this.#isIdle(base, threshold !== undefined)) continue;
      const limits = breakerLimits(message, priority);
      const prefix = `${clusterStatPrefix(message.altStatName || message.name)}circuit_breakers.${PRIORITIES[priority]}.`;
      for (const [resource, open, remaining] of GAUGES) {
        const count = Atomics.load(this.#counts, base + BREAKER_FIELDS[resource]);
        const limit = limits[resource];
        if (count >= limit || this.#gauges.has(prefix + open))
          this.#set(prefix + open, count >= limit ? 1 : 0);
        if (tracked) this.#set(prefix + remaining, Math.max(0, limit - count));
      }
    }
  }

  #isIdle(base: number, limited: boolean): boolean {
    if (limited) return false;
    for (const field of Object.values(BREAKER_FIELDS))
      if (Atomics.load(this.#counts, base + field) > 0) return false;
    return true;
  }

  #set(name: string, value: number): void {
    let gauge = this.#gauges.get(name);
    if (gauge === undefined) this.#gauges.set(name, (gauge = this.#stats.gauge(name)));
    gauge.set(value);
  }
}
