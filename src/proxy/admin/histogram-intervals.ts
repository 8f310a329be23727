import type { HistogramView } from "../../stats/histogram.ts";
import { HistogramView as View } from "../../stats/histogram.ts";

/**
 * What histograms recorded during the last whole flush interval (stats_flush_interval, 5 s by default). `tick` is
 * called at the end of each interval with the histograms that have samples.
 */
export class HistogramIntervals {
  #totals = new Map<string, View>();
  readonly #intervals = new Map<string, View>();

  tick(histograms: Iterable<readonly [name: string, view: HistogramView]>): void {
    const totals = new Map<string, View>();
    this.#intervals.clear();
    for (const [name, view] of histograms) {
      if (view.count === 0) continue;
      const before = this.#totals.get(name);
      totals.set(name, view);
      if (before === undefined) this.#intervals.set(name, view);
      else if (before.count !== view.count) this.#intervals.set(name, difference(view, before));
    }
    this.#totals = totals;
  }

  /** undefined if the last interval saw no sample. */
  get(name: string): HistogramView | undefined {
    return this.#intervals.get(name);
  }
}

function difference(now: HistogramView, before: HistogramView): View {
  const view = new View();
  view.count = now.count - before.count;
  view.sum = now.sum - before.sum;
  for (let i = 0; i < view.bins.length; i++) view.bins[i] = now.bins[i]! - before.bins[i]!;
  return view;
}
