import type { SeenLoad } from "./seen-traffic.ts";

interface Reporter {
  reportedAt: number;
  readonly clusters: Map<string, number>;
}

/** Requests in progress by cluster, of all proxies whose last report is not too old. */
export class LoadsInProgress {
  readonly #maxAgeMs: number;
  readonly #reporters = new Map<object, Reporter>();

  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs;
  }

  /** Proxies that report now. */
  reporting(now: number): number {
    return this.#fresh(now).length;
  }

  report(reporter: object, loads: readonly SeenLoad[], now: number): void {
    // A cluster of which nothing is said has nothing in progress.
    const clusters = new Map(loads.map(({ cluster, inProgress }) => [cluster, inProgress]));
    this.#reporters.set(reporter, { reportedAt: now, clusters });
  }

  remove(reporter: object): void {
    this.#reporters.delete(reporter);
  }

  /** By cluster. */
  sums(now: number): Map<string, number> {
    const sums = new Map<string, number>();
    for (const { clusters } of this.#fresh(now))
      for (const [cluster, count] of clusters) sums.set(cluster, (sums.get(cluster) ?? 0) + count);
    return sums;
  }

  #fresh(now: number): Reporter[] {
    return [...this.#reporters.values()].filter(({ reportedAt }) => now - reportedAt <= this.#maxAgeMs);
  }
}
