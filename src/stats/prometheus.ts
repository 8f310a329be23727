// What GET /stats/prometheus prints.
import type { HistogramView } from "./histogram.ts";
import { escapeLabel, metricName } from "./prometheus-names.ts";
import {
  BUCKET_BOUNDS,
  PIECE_LENGTH,
  QUANTILES,
  selectStats,
  type StatsQuery,
  type StatsSource,
} from "./stats-query.ts";
import { TagExtractor } from "./tag-extractor.ts";
import { NO_TEXTS, selectTexts } from "./text.ts";

export interface PrometheusOptions {
  /** Tags of --stats-tag and stats_config, on every stat. */
  readonly fixedTags: readonly { readonly name: string; readonly value: string }[];
  /** Histograms as quantiles instead of buckets. */
  readonly summaries: boolean;
  /** Text readouts as gauges of value 0. */
  readonly textReadouts: boolean;
}

/** The stats that share a name once their tags are taken out. */
interface Family<T> {
  readonly metric: string;
  readonly fullNames: string[];
  readonly labels: string[];
  readonly values: T[];
}

type Families<T> = Map<string, Family<T>>;

/** How one stat is printed; `labels` is without braces. */
type Print<T> = (metric: string, labels: string, value: T, fullName: string) => string;

/**
 * Prometheus' text format with Envoy's names: counters, gauges, histograms, each kind sorted by the name without tags.
 * Yields "" while it collects.
 */
export function* statsPrometheus(
  source: StatsSource,
  query: StatsQuery,
  options: PrometheusOptions,
): Generator<string> {
  const extractor = new TagExtractor(options.fixedTags);
  const counters: Families<number> = new Map();
  const gauges: Families<number> = new Map();
  const histograms: Families<HistogramView> = new Map();
  let collected = 0;
  for (const chunk of source.chunks()) {
    const stats = selectStats(chunk, NO_TEXTS, query);
    collect(extractor, counters, stats.counters);
    collect(extractor, gauges, stats.gauges);
    collect(extractor, histograms, stats.histograms);
    collected += stats.counters.length + stats.gauges.length + stats.histograms.length;
    if (collected > 5000) {
      yield "";
      collected = 0;
    }
  }
  yield* print(counters, "counter", line);
  yield* print(gauges, "gauge", line);
  if (options.textReadouts) {
    const texts: Families<string> = new Map();
    collect(extractor, texts, selectTexts(source, query));
    yield* print(texts, "gauge", (metric, labels, text) =>
      line(metric, `${withComma(labels)}text_value="${escapeLabel(text)}"`, 0),
    );
  }
  if (options.summaries)
    yield* print(histograms, "summary", (metric, labels, view, fullName) =>
      summaryLines(metric, labels, view, source.interval(fullName)),
    );
  else yield* print(histograms, "histogram", histogramLines);
}

function collect<T>(
  extractor: TagExtractor,
  families: Families<T>,
  stats: readonly (readonly [string, T])[],
): void {
  for (const [fullName, value] of stats) {
    const { name, labels } = extractor.extract(fullName);
    let family = families.get(name);
    if (family === undefined) {
      family = { metric: `envoy_${metricName(name)}`, fullNames: [], labels: [], values: [] };
      families.set(name, family);
    }
    family.fullNames.push(fullName);
    family.labels.push(labels);
    family.values.push(value);
  }
}

function* print<T>(families: Families<T>, kind: string, format: Print<T>): Generator<string> {
  let out = "";
  // By the dotted name: "listener.worker" comes before "listener_manager".
  for (const name of [...families.keys()].sort()) {
    const { metric, fullNames, labels, values } = families.get(name)!;
    out += `# TYPE ${metric} ${kind}\n`;
    for (let i = 0; i < values.length; i++) {
      out += format(metric, labels[i]!, values[i]!, fullNames[i]!);
      if (out.length > PIECE_LENGTH) {
        yield out;
        out = "";
      }
    }
    families.delete(name);
  }
  yield out;
}

function line(metric: string, labels: string, value: number): string {
  return `${metric}{${labels}} ${value}\n`;
}

function histogramLines(metric: string, labels: string, view: HistogramView): string {
  const before = withComma(labels);
  let out = "";
  const counts = view.cumulative(BUCKET_BOUNDS);
  for (let i = 0; i < counts.length; i++)
    out += `${metric}_bucket{${before}le="${BUCKET_BOUNDS[i]!}"} ${counts[i]!}\n`;
  out += `${metric}_bucket{${before}le="+Inf"} ${view.count}\n`;
  return `${out}${metric}_sum{${labels}} ${view.sum}\n${metric}_count{${labels}} ${view.count}\n`;
}

/** Quantiles of the last interval, sum and count of all time, as Envoy has them. */
function summaryLines(
  metric: string,
  labels: string,
  view: HistogramView,
  interval: HistogramView | undefined,
): string {
  const before = withComma(labels);
  let out = "";
  for (const q of QUANTILES) {
    const value = interval === undefined ? "NaN" : String(interval.quantile(q / 100));
    out += `${metric}{${before}quantile="${q / 100}"} ${value}\n`;
  }
  return `${out}${metric}_sum{${labels}} ${view.sum}\n${metric}_count{${labels}} ${view.count}\n`;
}

function withComma(labels: string): string {
  return labels === "" ? "" : `${labels},`;
}
