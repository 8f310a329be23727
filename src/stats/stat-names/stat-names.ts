import type { MergedStats, StatNames } from "../merged-stats.ts";

export type { StatNames } from "../merged-stats.ts";

/** Makes names show up with 0 before anything counted under them. */
export function declareStats(stats: MergedStats, prefix: string, names: StatNames): void {
  stats.declareAll(prefix, names);
}
