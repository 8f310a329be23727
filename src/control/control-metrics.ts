type Labels = Readonly<Record<string, string>>;

/** One Prometheus counter or gauge with labels. */
export class Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  #values = new Map<string, number>();

  constructor(name: string, type: "counter" | "gauge", help: string) {
    this.name = name;
    this.type = type;
    this.help = help;
  }

  add(labels: Labels, amount: number): void {
    const key = format(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  set(labels: Labels, value: number): void {
    this.#values.set(format(labels), value);
  }

  clear(): void {
    this.#values = new Map();
  }

  toString(): string {
    const lines = [...this.#values].map(([labels, value]) => `${this.name}${labels} ${value}`);
    return `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} ${this.type}\n${lines.map((line) => line + "\n").join("")}`;
  }
}

/** Everything `/metrics` of the control plane shows. */
export class ControlMetrics {
  readonly nacks = new Metric("weft_xds_nacks_total", "counter", "Responses that a node rejected");
  readonly pushes = new Metric("weft_xds_pushes_total", "counter", "Responses sent, by resource type");
  readonly refusals = new Metric(
    "weft_xds_refused_streams_total",
    "counter",
    "Streams of nodes without a view",
  );
  readonly nodes = new Metric("weft_xds_connected_nodes", "gauge", "Open discovery streams, by view");
  readonly sourceAge = new Metric("weft_source_age_seconds", "gauge", "Time since a source was last read");
  readonly sourceErrors = new Metric("weft_source_failing", "gauge", "1 while a source cannot be read");
  readonly endpoints = new Metric("weft_source_endpoints", "gauge", "Endpoints that proxies get, by source");
  readonly held = new Metric(
    "weft_held_endpoints",
    "gauge",
    "Endpoints kept although their source no longer reports them",
  );

  render(): string {
    return Object.values(this).map(String).join("");
  }
}

function format(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`))}"`,
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
