import { HistogramView } from "../../../stats/histogram.ts";

/**
 * What histograms recorded during the last whole flush interval (stats_flush_interval, 5 s by default). `tick` is
 * called at the end of each interval with the histograms that have samples.
 */
export class HistogramIntervals {
  #totals = new Map<string, HistogramView>();
  readonly #intervals = new Map<string, HistogramView>();

  tick(histograms: Iterable<readonly [name: string, view: HistogramView]>): void {
    const totals = new Map<string, HistogramView>();
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

function difference(now: HistogramView, before: HistogramView): HistogramView {
  const view = new HistogramView();
  view.count = now.count;
  view.sum = now.sum;
  view.bins.set(now.bins);
  view.subtract(before);
  return view;
}
