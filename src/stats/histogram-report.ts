import { binStart, binWidth, type HistogramView } from "./histogram.ts";
import { BUCKET_BOUNDS, QUANTILES } from "./stats-query.ts";

/** A bin that holds samples. */
export interface OccupiedBin {
  readonly lower_bound: number;
  readonly width: number;
  readonly count: number;
}

/** The bins of a histogram that hold samples. Everything below 1 is in the bin of zeros, which has no width. */
export function occupiedBins(view: HistogramView | undefined): OccupiedBin[] {
  const found: OccupiedBin[] = [];
  if (view === undefined) return found;
  for (let bin = 0; bin < view.bins.length; bin++) {
    const count = view.bins[bin]!;
    if (count === 0) continue;
    const width = bin === 0 ? 0 : Number(binWidth(bin).toPrecision(15));
    found.push({ lower_bound: Number(binStart(bin).toPrecision(15)), width, count });
  }
  return found;
}

/** The values at QUANTILES; all null without samples. */
export function percentiles(view: HistogramView | undefined): readonly (number | null)[] {
  return QUANTILES.map((q) => (view === undefined || view.count === 0 ? null : view.quantile(q / 100)));
}

/** How many samples the buckets hold; "disjoint" leaves out what smaller buckets hold. */
export function bucketCounts(
  total: HistogramView,
  interval: HistogramView | undefined,
  mode: "cumulative" | "disjoint",
): readonly { readonly bound: number; readonly inInterval: number; readonly inTotal: number }[] {
  const totals = total.cumulative(BUCKET_BOUNDS);
  const intervals = interval?.cumulative(BUCKET_BOUNDS);
  const before = (counts: readonly number[] | undefined, i: number): number =>
    mode === "disjoint" ? (counts?.[i - 1] ?? 0) : 0;
  return BUCKET_BOUNDS.map((bound, i) => ({
    bound,
    inInterval: (intervals?.[i] ?? 0) - before(intervals, i),
    inTotal: totals[i]! - before(totals, i),
  }));
}
