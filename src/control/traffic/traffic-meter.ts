import type { HistogramReading, MetricLabels } from "../../base/text-metrics.ts";
import { clusterParts } from "../views/scope.ts";
import { LabelSets } from "./label-sets.ts";
import type { SeenConnection, SeenLoad, SeenRequest } from "./seen-traffic.ts";

/** Labels that make many series, and so are there only when asked for. */
export const EXTRA_LABELS = ["method", "route"] as const;
export type ExtraLabel = (typeof EXTRA_LABELS)[number];

export interface TrafficMeterOptions {
  /** Label sets of each metric; the rest becomes "other". */
  readonly maxSeries: number;
  readonly labels: readonly ExtraLabel[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface Histogram extends HistogramReading {
  readonly buckets: Float64Array;
  /** Requests, with those whose time is not known. */
  requests: number;
  count: number;
  sum: number;
}

export interface Count {
  value: number;
}

/** Seconds. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Labels with few values, which "other" keeps. */
const BOUNDED = ["class", "result", "method"];

/** Counts what proxies tell, by service and version, never in more than so many series. */
export class TrafficMeter {
  readonly requests: LabelSets<Histogram>;
  readonly connections: LabelSets<Count>;
  readonly loads: LabelSets<Count>;
  readonly issued: LabelSets<Count>;
  readonly drops: LabelSets<Count>;
  /** Named numbers that backends told: how many requests did, and their sum. */
  readonly backendRequests: LabelSets<Count>;
  readonly backendTotals: LabelSets<Count>;
  readonly #options: TrafficMeterOptions;

  constructor(options: TrafficMeterOptions) {
    this.#options = options;
    const counts = () => new LabelSets<Count>(options.maxSeries, () => ({ value: 0 }));
    this.requests = new LabelSets(options.maxSeries, newHistogram);
    this.connections = counts();
    this.loads = counts();
    this.issued = counts();
    this.drops = counts();
    this.backendRequests = counts();
    this.backendTotals = counts();
  }

  /** How many observations were counted as "other". */
  get folded(): number {
    const all = [this.requests, this.connections, this.loads, this.issued, this.drops];
    return [...all, this.backendRequests, this.backendTotals].reduce((sum, { folded }) => sum + folded, 0);
  }

  request(request: SeenRequest): void {
    const labels: Record<string, string> = {
      ...clusterParts(request.cluster),
      class: statusClass(request.status),
      node_cluster: request.nodeCluster,
    };
    for (const name of this.#options.labels) labels[name] = request[name];
    const histogram = this.requests.of(labels, BOUNDED, this.#options.now());
    histogram.requests++;
    if (Number.isNaN(request.durationMs)) return;
    const seconds = request.durationMs / 1000;
    const bucket = BOUNDS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) histogram.buckets[bucket]!++;
    histogram.count++;
    histogram.sum += seconds;
  }

  connection({ cluster, nodeCluster, connected }: SeenConnection): void {
    const result = connected ? "connected" : "failed";
    this.#add(this.connections, { ...clusterParts(cluster), result, node_cluster: nodeCluster }, 1);
  }

  load(load: SeenLoad): void {
    const parts = clusterParts(load.cluster);
    const by = (name: string, value: string) => ({ ...parts, [name]: value, node_cluster: load.nodeCluster });
    if (load.succeeded > 0) this.#add(this.loads, by("result", "success"), load.succeeded);
    if (load.failed > 0) this.#add(this.loads, by("result", "error"), load.failed);
    if (load.issued > 0) this.#add(this.issued, { ...parts, node_cluster: load.nodeCluster }, load.issued);
    for (const [category, count] of load.dropped) this.#add(this.drops, by("category", category), count);
    for (const [metric, { requests, total }] of load.metrics) {
      this.#add(this.backendRequests, by("metric", metric), requests);
      this.#add(this.backendTotals, by("metric", metric), total);
    }
  }

  #add(sets: LabelSets<Count>, labels: MetricLabels, by: number): void {
    sets.of(labels, BOUNDED, this.#options.now()).value += by;
  }
}

/** "none" when the client went away before there was a response. */
function statusClass(status: number): string {
  return status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : "none";
}

function newHistogram(): Histogram {
  return { bounds: BOUNDS, buckets: new Float64Array(BOUNDS.length), requests: 0, count: 0, sum: 0 };
}
