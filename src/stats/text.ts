// What GET /stats prints.
import { binStart, binWidth, type HistogramView } from "./histogram.ts";
import { BUCKET_BOUNDS, byName, QUANTILES, type HistogramMode, type SelectedStats } from "./stats-query.ts";

/** Lines `name: value`: text readouts, then numbers, then histograms, each sorted. */
export function statsText(stats: SelectedStats, mode: HistogramMode): string {
  let out = "";
  for (const [name, value] of stats.texts) out += `${name}: "${value}"\n`;
  for (const [name, value] of [...stats.counters, ...stats.gauges].sort(byName)) out += `${name}: ${value}\n`;
  for (const [name, view] of stats.histograms) out += histogramLine(name, view, mode);
  return out;
}

/** Non-empty bins of a histogram as "start,width:count". */
export function occupiedBins(view: HistogramView): { start: number; width: number; count: number }[] {
  const found: { start: number; width: number; count: number }[] = [];
  for (let bin = 0; bin < view.bins.length; bin++) {
    const count = view.bins[bin]!;
    // Everything below 1 is kept in one bin, which stands for Envoy's bin of zeros.
    if (count > 0) found.push({ start: binStart(bin), width: bin === 0 ? 0 : round(binWidth(bin)), count });
  }
  return found;
}

/** Percentiles of a histogram as Envoy has them: zeros count as zero. */
export function percentile(view: HistogramView, percent: number): number {
  return round(
    view.bins[0]! >= (percent / 100) * view.count && view.bins[0]! > 0 ? 0 : view.quantile(percent / 100),
  );
}

function histogramLine(name: string, view: HistogramView, mode: HistogramMode): string {
  if (view.count === 0) return `${name}: No recorded values\n`;
  if (mode === "summary") return `${name}: ${summary(view)}\n`;
  if (mode === "detailed") {
    const totals = occupiedBins(view).map(({ start, width, count }) => ` ${start},${width}:${count}`);
    return `${name}:\n  totals=${totals.join(",").trimStart()}\n  intervals=\n  summary=${summary(view)}\n`;
  }
  let before = 0;
  const buckets = BUCKET_BOUNDS.map((bound) => {
    const cumulative = view.cumulative(bound);
    const value = mode === "disjoint" ? cumulative - before : cumulative;
    before = cumulative;
    return ` B${bound}(0,${value})`;
  });
  return `${name}:${buckets.join("")}\n`;
}

/** The interval part is "nan": values are printed as they stand, not as of the last flush. */
function summary(view: HistogramView): string {
  return QUANTILES.map((q) => `P${q}(nan,${percentile(view, q)})`).join(" ");
}

function round(value: number): number {
  return Number(value.toPrecision(15));
}
