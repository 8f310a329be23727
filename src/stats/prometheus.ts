// What GET /stats/prometheus prints.
import type { HistogramView } from "./histogram.ts";
import { BUCKET_BOUNDS, type SelectedStats } from "./stats-query.ts";
import { extractTags } from "./tags.ts";

export interface PrometheusOptions {
  /** Tags of --stats-tag, on every stat. */
  readonly fixedTags: readonly { readonly name: string; readonly value: string }[];
  /** Histograms as quantiles instead of buckets. */
  readonly summaries: boolean;
  /** Text readouts as gauges of value 0. */
  readonly textReadouts: boolean;
}

const SUMMARY_QUANTILES = [0.5, 0.9, 0.95, 0.99];

/** Prometheus' text format with Envoy's names: counters, gauges, histograms, each kind sorted by tag-extracted name. */
export function statsPrometheus(stats: SelectedStats, options: PrometheusOptions): string {
  const render = (name: string, labels: string, value: number): string => `${name}{${labels}} ${value}\n`;
  let out = family(stats.counters, "counter", options, render);
  out += family(stats.gauges, "gauge", options, render);
  if (options.textReadouts) {
    const line = (name: string, labels: string, text: string): string =>
      `${name}{${labels}${labels === "" ? "" : ","}text_value="${escapeLabel(text)}"} 0\n`;
    out += family(stats.texts, "gauge", options, line);
  }
  const kind = options.summaries ? "summary" : "histogram";
  return out + family(stats.histograms, kind, options, options.summaries ? summaryLines : histogramLines);
}

function family<T>(
  entries: readonly (readonly [string, T])[],
  kind: string,
  options: PrometheusOptions,
  render: (name: string, labels: string, value: T) => string,
): string {
  // Sorted by the dotted name ("listener.worker" comes before "listener_manager"), then by the full name.
  const groups = new Map<string, string[]>();
  for (const [fullName, value] of entries) {
    const { name, tags } = extractTags(fullName);
    const all = [...options.fixedTags.map((tag) => [tag.name, tag.value] as const), ...tags];
    const labels = all.map(([tag, v]) => `${metricName(tag)}="${escapeLabel(v)}"`).join(",");
    let group = groups.get(name);
    if (group === undefined) groups.set(name, (group = []));
    group.push(render(`envoy_${metricName(name)}`, labels, value));
  }
  let out = "";
  for (const name of [...groups.keys()].sort()) {
    out += `# TYPE envoy_${metricName(name)} ${kind}\n${groups.get(name)!.join("")}`;
  }
  return out;
}

function histogramLines(name: string, labels: string, view: HistogramView): string {
  const comma = labels === "" ? "" : ",";
  let out = "";
  for (const bound of BUCKET_BOUNDS)
    out += `${name}_bucket{${labels}${comma}le="${bound}"} ${view.cumulative(bound)}\n`;
  out += `${name}_bucket{${labels}${comma}le="+Inf"} ${view.count}\n`;
  return `${out}${name}_sum{${labels}} ${view.sum}\n${name}_count{${labels}} ${view.count}\n`;
}

function summaryLines(name: string, labels: string, view: HistogramView): string {
  const comma = labels === "" ? "" : ",";
  const value = (q: number): string => (view.count === 0 ? "NaN" : String(view.quantile(q)));
  const lines = SUMMARY_QUANTILES.map((q) => `${name}{${labels}${comma}quantile="${q}"} ${value(q)}\n`);
  return `${lines.join("")}${name}_sum{${labels}} ${view.sum}\n${name}_count{${labels}} ${view.count}\n`;
}

function metricName(name: string): string {
  return name.replace(/[^A-Za-z0-9_]/g, "_");
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
}
