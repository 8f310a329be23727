import assert from "node:assert/strict";
import { test } from "node:test";
import { HistogramView } from "./histogram.ts";
import { MergedStats } from "./merged-stats.ts";
import { StatStore } from "./stat-store.ts";

test("MergedStats sums threads, keeps counters of retired ones and drops their gauges", () => {
  const merged = new MergedStats();
  const stores = ["a", "b"].map((thread) => new StatStore((update) => merged.update(thread, update)));
  for (const store of stores) {
    const scope = store.scope("cluster.users.");
    scope.counter("upstream_rq_total").add(3);
    scope.gauge("upstream_rq_active").inc();
    scope.histogram("upstream_rq_time").record(5);
    store.flush();
  }
  merged.declare("cluster.users.upstream_rq_timeout", "counter");
  merged.retire("b");
  const { counters, gauges, histograms } = merged.snapshot();
  assert.equal(counters.get("cluster.users.upstream_rq_total"), 6);
  assert.equal(counters.get("cluster.users.upstream_rq_timeout"), 0);
  assert.equal(gauges.get("cluster.users.upstream_rq_active"), 1);
  assert.equal(histograms.get("cluster.users.upstream_rq_time")!.count, 2);
  merged.resetCounters();
  assert.equal(merged.snapshot().counters.get("cluster.users.upstream_rq_total"), 0);
});

test("StatStore spreads many names over chunks", () => {
  const merged = new MergedStats();
  const store = new StatStore((update) => merged.update("t", update));
  for (let i = 0; i < 10_000; i++) store.counter(`c${i}`).add(i);
  for (let i = 0; i < 20; i++) store.histogram(`h${i}`).record(i);
  store.flush();
  const { counters, histograms } = merged.snapshot();
  assert.equal(counters.get("c9999"), 9999);
  assert.equal(counters.size, 10_000);
  assert.equal(histograms.get("h7")!.sum, 7);
});

test("HistogramView.quantile() keeps two digits", () => {
  const merged = new MergedStats();
  const store = new StatStore((update) => merged.update("t", update));
  const histogram = store.histogram("h");
  for (let i = 1; i <= 1000; i++) histogram.record(i);
  store.flush();
  const view = merged.snapshot().histograms.get("h")!;
  assert.ok(Math.abs(view.quantile(0.5) - 500) <= 10);
  assert.ok(Math.abs(view.quantile(0.99) - 990) <= 10);
  assert.ok(Number.isNaN(new HistogramView().quantile(0.5)));
});
