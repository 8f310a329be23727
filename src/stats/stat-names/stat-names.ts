import type { MergedStats } from "../merged-stats.ts";

/** Names of stats by kind, without their prefix. */
export interface StatNames {
  readonly counters: readonly string[];
  readonly gauges: readonly string[];
  readonly histograms: readonly string[];
}

/** Makes names show up with 0 before anything counted under them. */
export function declareStats(stats: MergedStats, prefix: string, names: StatNames): void {
  for (const name of names.counters) stats.declare(prefix + name, "counter");
  for (const name of names.gauges) stats.declare(prefix + name, "gauge");
  for (const name of names.histograms) stats.declare(prefix + name, "histogram");
}
