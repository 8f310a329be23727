/** The labels of one sample; the same keys in the same order at every call for one metric. */
export type MetricLabels = Readonly<Record<string, string>>;

export interface Counter {
  add(by?: number, labels?: MetricLabels): void;
}

type Reader = () => number | Iterable<readonly [MetricLabels, number]>;

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  collect(): Iterable<readonly [labels: string, value: number]>;
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
      for (const [labels, value] of metric.collect()) page += `${metric.name}${labels} ${value}\n`;
    }
    return page;
  }
}

function renderLabels(labels: MetricLabels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escapeValue(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
