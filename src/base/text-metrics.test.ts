import assert from "node:assert/strict";
import { test } from "node:test";
import { TextMetrics } from "./text-metrics.ts";

test("TextMetrics renders counters and gauges with escaped labels", () => {
  const metrics = new TextMetrics();
  const plain = metrics.counter("a_total", "plain");
  const labelled = metrics.counter("b_total", "labelled", [{ code: "200" }]);
  metrics.gauge("c", "asked for", () => 7);
  metrics.gauge("d", "several", () => [[{ state: 'a"b\\' }, 1]]);
  plain.add();
  plain.add(2);
  labelled.add(1, { code: "404" });
  const page = metrics.render();
  assert.match(page, /# TYPE a_total counter\na_total 3\n/);
  assert.match(page, /b_total\{code="200"\} 0\nb_total\{code="404"\} 1\n/);
  assert.match(page, /# TYPE c gauge\nc 7\n/);
  assert.match(page, /d\{state="a\\"b\\\\"\} 1\n/);
});

test("TextMetrics shows histograms with cumulative buckets", () => {
  const metrics = new TextMetrics();
  const reading = { bounds: [0.1, 1], buckets: [2, 3], count: 6, sum: 9.5 };
  metrics.readHistogram("took_seconds", "Time", () => [[{ service: "a" }, reading]]);
  assert.equal(
    metrics.render(),
    [
      "# HELP took_seconds Time",
      "# TYPE took_seconds histogram",
      'took_seconds_bucket{service="a",le="0.1"} 2',
      'took_seconds_bucket{service="a",le="1"} 5',
      'took_seconds_bucket{service="a",le="+Inf"} 6',
      'took_seconds_sum{service="a"} 9.5',
      'took_seconds_count{service="a"} 6',
      "",
    ].join("\n"),
  );
});
