// What GET /stats prints.
import type { HistogramView } from "./histogram.ts";
import { bucketCounts, occupiedBins, percentiles } from "./histogram-report.ts";
import {
  byName,
  PIECE_LENGTH,
  QUANTILES,
  selectStats,
  type StatsQuery,
  type StatsSource,
} from "./stats-query.ts";

/** Lines `name: value`: text readouts, then numbers, then histograms, each sorted. */
export function* statsText(source: StatsSource, query: StatsQuery): Generator<string> {
  let out = "";
  for (const [name, value] of selectTexts(source, query)) out += `${name}: "${value}"\n`;
  const histograms: (readonly [string, HistogramView])[] = [];
  for (const chunk of source.chunks()) {
    const stats = selectStats(chunk, NO_TEXTS, query);
    for (const [name, value] of [...stats.counters, ...stats.gauges].sort(byName))
      out += `${name}: ${value}\n`;
    histograms.push(...stats.histograms);
    if (out.length > PIECE_LENGTH) {
      yield out;
      out = "";
    }
  }
  for (const [name, view] of histograms) {
    out += histogramText(name, view, source.interval(name), query);
    if (out.length > PIECE_LENGTH) {
      yield out;
      out = "";
    }
  }
  yield out;
}

/** The text readouts that a query asks for, sorted. */
export function selectTexts(
  source: StatsSource,
  query: StatsQuery,
): readonly (readonly [name: string, value: string])[] {
  return selectStats(NO_NUMBERS, source.texts, query).texts;
}

export const NO_TEXTS: ReadonlyMap<string, string> = new Map();
const NO_NUMBERS = { counters: new Map(), gauges: new Map(), histograms: new Map() };

function histogramText(
  name: string,
  total: HistogramView,
  interval: HistogramView | undefined,
  { histograms: mode }: StatsQuery,
): string {
  if (total.count === 0) return `${name}: No recorded values\n`;
  if (mode === "summary") return `${name}: ${summary(total, interval)}\n`;
  if (mode === "detailed") {
    const list = (view: HistogramView | undefined): string =>
      occupiedBins(view)
        .map(({ lower_bound: start, width, count }) => `${start},${width}:${count}`)
        .join(", ");
    return `${name}:\n  totals=${list(total)}\n  intervals=${list(interval)}\n  summary=${summary(total, interval)}\n`;
  }
  let out = `${name}:`;
  for (const { bound, inInterval, inTotal } of bucketCounts(total, interval, mode))
    out += ` B${shortNumber(bound)}(${inInterval},${inTotal})`;
  return `${out}\n`;
}

function summary(total: HistogramView, interval: HistogramView | undefined): string {
  const totals = percentiles(total);
  const intervals = percentiles(interval);
  return QUANTILES.map((q, i) => `P${q}(${intervals[i] ?? "nan"},${totals[i]})`).join(" ");
}

/** Like printf's %g: 1.8e+06, but 300000. */
function shortNumber(value: number): string {
  if (value < 1e6) return String(value);
  const exponent = Math.floor(Math.log10(value));
  return `${Number((value / 10 ** exponent).toPrecision(6))}e+${String(exponent).padStart(2, "0")}`;
}
