import type { HistogramView } from "./histogram.ts";
import type { StatSnapshot } from "./merged-stats.ts";
import { NEVER_WRITTEN } from "./slots.ts";

/** How histograms are printed: percentiles, or the counts of buckets. */
export type HistogramMode = "summary" | "cumulative" | "disjoint" | "detailed";

/** Which stats to print. */
export interface StatsQuery {
  /** Leave out what was never written; what is 0 now may have been. */
  readonly usedOnly: boolean;
  /** Whether a name is wanted; undefined = all. */
  readonly filter: ((name: string) => boolean) | undefined;
  readonly type: "All" | "Counters" | "Gauges" | "Histograms" | "TextReadouts";
  readonly histograms: HistogramMode;
}

/** Where outputs read from. */
export interface StatsSource {
  /** Text readouts such as version_text. */
  readonly texts: ReadonlyMap<string, string>;
  /** All numbers in pieces, see MergedStats.chunks. */
  chunks(): Iterable<StatSnapshot>;
  /** What a histogram recorded in the last flush interval, if anything. */
  interval(name: string): HistogramView | undefined;
}

/** Outputs collect about this many characters before they hand a piece on. */
export const PIECE_LENGTH = 65_536;

/** Numbers and texts by name, sorted as Envoy prints them. */
export interface SelectedStats {
  readonly texts: readonly (readonly [name: string, value: string])[];
  readonly counters: readonly (readonly [name: string, value: number])[];
  readonly gauges: readonly (readonly [name: string, value: number])[];
  readonly histograms: readonly (readonly [name: string, view: HistogramView])[];
}

export const ALL_STATS: StatsQuery = {
  usedOnly: false,
  filter: undefined,
  type: "All",
  histograms: "summary",
};

/** Bounds of Envoy's histogram buckets when none are configured. */
export const BUCKET_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Percentiles that summaries print. */
export const QUANTILES: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

/** Picks and sorts what a query asks for. `texts` are text readouts such as version_text. */
export function selectStats(
  snapshot: StatSnapshot,
  texts: ReadonlyMap<string, string>,
  query: StatsQuery,
): SelectedStats {
  const { filter, usedOnly, type } = query;
  const wants = (kind: StatsQuery["type"]): boolean => type === "All" || type === kind;
  const pick = <T>(
    wanted: boolean,
    from: ReadonlyMap<string, T>,
    used: (value: T) => boolean,
  ): [string, T][] => {
    if (!wanted) return [];
    const found = [...from].filter(
      ([name, v]) => (!usedOnly || used(v)) && (filter === undefined || filter(name)),
    );
    return found.sort(byName);
  };
  return {
    texts: pick(wants("TextReadouts"), texts, (value) => value !== ""),
    counters: pick(wants("Counters"), snapshot.counters, wasWritten),
    gauges: pick(wants("Gauges"), snapshot.gauges, wasWritten),
    histograms: pick(wants("Histograms"), snapshot.histograms, (view) => view.count > 0),
  };
}

function wasWritten(value: number): boolean {
  return !Object.is(value, NEVER_WRITTEN);
}

/** Plain byte order, as Envoy's. */
export function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}
