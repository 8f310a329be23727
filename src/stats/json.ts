// What GET /stats?format=json prints.
import { BUCKET_BOUNDS, byName, QUANTILES, type HistogramMode, type SelectedStats } from "./stats-query.ts";
import { occupiedBins, percentile } from "./text.ts";
import type { HistogramView } from "./histogram.ts";

/** One line of JSON in Envoy's shape. */
export function statsJson(stats: SelectedStats, mode: HistogramMode): string {
  const entries: unknown[] = stats.texts.map(([name, value]) => ({ name, value }));
  for (const [name, value] of [...stats.counters, ...stats.gauges].sort(byName))
    entries.push({ name, value });
  if (stats.histograms.length > 0) {
    entries.push({
      histograms:
        mode === "summary"
          ? {
              supported_quantiles: QUANTILES,
              computed_quantiles: stats.histograms.map(([name, view]) => quantiles(name, view)),
            }
          : mode === "detailed"
            ? {
                supported_percentiles: QUANTILES,
                details: stats.histograms.map(([name, view]) => details(name, view)),
              }
            : stats.histograms.map(([name, view]) => buckets(name, view, mode)),
    });
  }
  return JSON.stringify({ stats: entries });
}

function quantiles(name: string, view: HistogramView): unknown {
  const values = QUANTILES.map((q) => ({
    cumulative: view.count === 0 ? null : percentile(view, q),
    interval: null,
  }));
  return { name, values };
}

function details(name: string, view: HistogramView): unknown {
  const totals = occupiedBins(view).map(({ start, width, count }) => ({ lower_bound: start, width, count }));
  const percentiles = QUANTILES.map((q) => ({
    cumulative: view.count === 0 ? null : percentile(view, q),
    interval: null,
  }));
  return { name, totals, intervals: [], percentiles };
}

function buckets(name: string, view: HistogramView, mode: "cumulative" | "disjoint"): unknown {
  let before = 0;
  return {
    name,
    buckets: BUCKET_BOUNDS.map((bound) => {
      const total = view.cumulative(bound);
      const cumulative = mode === "disjoint" ? total - before : total;
      before = total;
      return { upper_bound: bound, interval: 0, cumulative };
    }),
  };
}
