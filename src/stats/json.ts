// What GET /stats?format=json prints.
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
import { NO_TEXTS, selectTexts } from "./text.ts";

/** One line of JSON in Envoy's shape. */
export function* statsJson(source: StatsSource, query: StatsQuery): Generator<string> {
  const histograms: (readonly [string, HistogramView])[] = [];
  const separate = separator();
  let out = '{"stats":[';
  for (const [name, value] of selectTexts(source, query)) out += separate() + JSON.stringify({ name, value });
  for (const chunk of source.chunks()) {
    const stats = selectStats(chunk, NO_TEXTS, query);
    for (const [name, value] of [...stats.counters, ...stats.gauges].sort(byName))
      out += `${separate()}{"name":${JSON.stringify(name)},"value":${value}}`;
    histograms.push(...stats.histograms);
    if (out.length > PIECE_LENGTH) {
      yield out;
      out = "";
    }
  }
  if (histograms.length > 0) {
    const [head, tail] = FRAMES[query.histograms];
    out += `${separate()}{"histograms":${head}`;
    const separateHistogram = separator();
    for (const [name, view] of histograms) {
      out += separateHistogram() + JSON.stringify(report(name, view, source.interval(name), query));
      if (out.length > PIECE_LENGTH) {
        yield out;
        out = "";
      }
    }
    out += `${tail}}`;
  }
  yield `${out}]}`;
}

/** What stands around the list of histograms. */
const FRAMES: Readonly<Record<StatsQuery["histograms"], readonly [head: string, tail: string]>> = {
  summary: [`{"supported_quantiles":${JSON.stringify(QUANTILES)},"computed_quantiles":[`, "]}"],
  detailed: [`{"supported_percentiles":${JSON.stringify(QUANTILES)},"details":[`, "]}"],
  cumulative: ["[", "]"],
  disjoint: ["[", "]"],
};

/** "" the first time, "," from then on. */
function separator(): () => string {
  let first = true;
  return () => {
    if (!first) return ",";
    first = false;
    return "";
  };
}

function report(
  name: string,
  total: HistogramView,
  interval: HistogramView | undefined,
  { histograms: mode }: StatsQuery,
): unknown {
  if (mode === "summary") return { name, values: values(total, interval) };
  if (mode === "detailed") {
    const totals = occupiedBins(total);
    return { name, totals, intervals: occupiedBins(interval), percentiles: values(total, interval) };
  }
  const buckets = bucketCounts(total, interval, mode).map(({ bound, inInterval, inTotal }) => ({
    upper_bound: bound,
    interval: inInterval,
    cumulative: inTotal,
  }));
  return { name, buckets };
}

function values(total: HistogramView, interval: HistogramView | undefined): unknown[] {
  const intervals = percentiles(interval);
  return percentiles(total).map((cumulative, i) => ({ cumulative, interval: intervals[i]! }));
}
