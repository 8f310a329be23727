/** The labels of one sample; the same keys in the same order at every call for one metric. */
export type MetricLabels = Readonly<Record<string, string>>;

export interface Counter {
  add(by?: number, labels?: MetricLabels): void;
}

/** Observations by size. */
export interface HistogramReading {
  /** Upper bounds, ascending; what is above the last counts for `count` alone. */
  readonly bounds: readonly number[];
  /** Observations in each bucket, not cumulative; as many as bounds. */
  readonly buckets: ArrayLike<number>;
  readonly count: number;
  readonly sum: number;
}

type Sample = readonly [suffixAndLabels: string, value: number];

type Reader = () => number | Iterable<readonly [MetricLabels, number]>;

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  collect(): Iterable<Sample>;
}

/** Metrics of the small programs (registry, auth, control) in Prometheus' text format; the proxy has its own shared-memory stats. */
export class TextMetrics {
  readonly #metrics: Metric[] = [];

  /** A number that only grows. `fixed` names label sets that are shown as 0 before they first count. */
  counter(name: string, help: string, fixed: readonly MetricLabels[] = []): Counter {
    const values = new Map<string, number>(fixed.map((labels) => [renderLabels(labels), 0]));
    if (fixed.length === 0) values.set("", 0);
    let labelled = fixed.length > 0;
    this.#metrics.push({ name, help, type: "counter", collect: () => values });
    return {
      add(by = 1, labels) {
        const key = labels === undefined ? "" : renderLabels(labels);
        if (key !== "" && !labelled) {
          labelled = true;
          values.delete("");
        }
        values.set(key, (values.get(key) ?? 0) + by);
      },
    };
  }

  /** A counter kept elsewhere, for hot paths; asked for when the page is made. */
  readCounter(name: string, help: string, read: Reader): void {
    this.#read("counter", name, help, read);
  }

  /** A number that is asked for when the page is made. */
  gauge(name: string, help: string, read: Reader): void {
    this.#read("gauge", name, help, read);
  }

  /** Histograms kept elsewhere; asked for when the page is made. */
  readHistogram(
    name: string,
    help: string,
    read: () => Iterable<readonly [MetricLabels, HistogramReading]>,
  ): void {
    const collect = () =>
      Array.from(read(), ([labels, histogram]) => histogramSamples(labels, histogram)).flat();
    this.#metrics.push({ name, help, type: "histogram", collect });
  }

  #read(type: Metric["type"], name: string, help: string, read: Reader): void {
    const collect = () => {
      const now = read();
      if (typeof now === "number") return [["", now] as const];
      return Array.from(now, ([labels, value]) => [renderLabels(labels), value] as const);
    };
    this.#metrics.push({ name, help, type, collect });
  }

  /** The whole page, `text/plain; version=0.0.4`. */
  render(): string {
    let page = "";
    for (const metric of this.#metrics) {
      page += `# HELP ${metric.name} ${metric.help}\n# TYPE ${metric.name} ${metric.type}\n`;
      for (const [rest, value] of metric.collect()) page += `${metric.name}${rest} ${value}\n`;
    }
    return page;
  }
}

function histogramSamples(labels: MetricLabels, { bounds, buckets, count, sum }: HistogramReading): Sample[] {
  let below = 0;
  const samples = bounds.map((bound, i): Sample => {
    below += buckets[i]!;
    return [`_bucket${renderLabels({ ...labels, le: String(bound) })}`, below];
  });
  const own = renderLabels(labels);
  return [
    ...samples,
    [`_bucket${renderLabels({ ...labels, le: "+Inf" })}`, count],
    [`_sum${own}`, sum],
    [`_count${own}`, count],
  ];
}

function renderLabels(labels: MetricLabels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escapeValue(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
