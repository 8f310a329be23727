import type { SeenLoad, SeenRequest, TrafficTap } from "../traffic/seen-traffic.ts";
import type { ObservedTraffic, TrafficJudge, TrafficWatch } from "./traffic-judge.ts";

/** Where reports come from. */
export interface TrafficReports {
  /** Whether any proxy reports at all. */
  readonly isReported: boolean;
  tap(tap: TrafficTap): () => void;
}

export interface ReportedTrafficJudgeOptions {
  readonly reports: TrafficReports;
  /** Asked when nothing is reported, and for what load reports do not tell. */
  readonly fallback: TrafficJudge;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/**
 * Judges by what proxies report themselves: the numbers of access logs or load reports, of whichever saw more, and times
 * of access logs. Where there are no such reports, it is the fallback's to tell.
 */
export class ReportedTrafficJudge implements TrafficJudge {
  readonly #options: ReportedTrafficJudgeOptions;

  constructor(options: ReportedTrafficJudgeOptions) {
    this.#options = options;
  }

  watch(clusters: readonly string[]): TrafficWatch {
    return new ReportedTrafficWatch(clusters, this.#options);
  }
}

interface Tally {
  requests: number;
  failures: number;
  timeMs: number;
  timed: number;
}

const FIRST_FAILURE = 500;

class ReportedTrafficWatch implements TrafficWatch, TrafficTap {
  readonly #options: ReportedTrafficJudgeOptions;
  readonly #fallback: TrafficWatch;
  readonly #since: number;
  readonly #untap: () => void;
  readonly #logs: Map<string, Tally>;
  readonly #loads: Map<string, Tally>;

  constructor(clusters: readonly string[], options: ReportedTrafficJudgeOptions) {
    this.#options = options;
    this.#since = options.now();
    this.#fallback = options.fallback.watch(clusters);
    const tallies = () => new Map(clusters.map((name) => [name, nothing()]));
    this.#logs = tallies();
    this.#loads = tallies();
    this.#untap = options.reports.tap(this);
  }

  onRequest({ cluster, status, startMs, durationMs }: SeenRequest): void {
    const tally = this.#logs.get(cluster);
    // A client that went away says nothing about the version.
    if (tally === undefined || status === 0 || startMs < this.#since) return;
    tally.requests++;
    if (status >= FIRST_FAILURE) tally.failures++;
    if (Number.isNaN(durationMs)) return;
    tally.timeMs += durationMs;
    tally.timed++;
  }

  onLoad({ cluster, succeeded, failed, intervalMs }: SeenLoad): void {
    const tally = this.#loads.get(cluster);
    // A report that began before the watch has requests from before in it.
    if (tally === undefined || this.#options.now() - intervalMs < this.#since) return;
    tally.requests += succeeded + failed;
    tally.failures += failed;
  }

  async read(): Promise<ReadonlyMap<string, ObservedTraffic>> {
    const [logged, loaded] = [total(this.#logs), total(this.#loads)];
    if (logged === 0 && loaded === 0) return this.#readFallback();
    const counts = logged >= loaded ? this.#logs : this.#loads;
    const times = logged > 0 ? meansOf(this.#logs) : await this.#fallbackMeans();
    return new Map(
      Array.from(counts, ([cluster, { requests, failures }]) => [
        cluster,
        { requests, failures, meanMs: times.get(cluster) ?? Number.NaN },
      ]),
    );
  }

  close(): void {
    this.#untap();
    this.#fallback.close();
  }

  async #readFallback(): Promise<ReadonlyMap<string, ObservedTraffic>> {
    try {
      return await this.#fallback.read();
    } catch (error) {
      if (this.#options.reports.isReported) return new Map();
      throw error;
    }
  }

  async #fallbackMeans(): Promise<Map<string, number>> {
    try {
      return new Map(Array.from(await this.#fallback.read(), ([cluster, { meanMs }]) => [cluster, meanMs]));
    } catch {
      return new Map();
    }
  }
}

function nothing(): Tally {
  return { requests: 0, failures: 0, timeMs: 0, timed: 0 };
}

function total(tallies: ReadonlyMap<string, Tally>): number {
  return [...tallies.values()].reduce((sum, { requests }) => sum + requests, 0);
}

function meansOf(tallies: ReadonlyMap<string, Tally>): Map<string, number> {
  return new Map(
    Array.from(tallies, ([cluster, { timeMs, timed }]) => [
      cluster,
      timed === 0 ? Number.NaN : timeMs / timed,
    ]),
  );
}
