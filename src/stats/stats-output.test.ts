import assert from "node:assert/strict";
import test from "node:test";
import { MergedStats } from "./merged-stats.ts";
import { statsJson } from "./json.ts";
import { statsPrometheus } from "./prometheus.ts";
import { StatStore } from "./stat-store.ts";
import { CLUSTER_STATS } from "./stat-names/cluster.ts";
import { declareStats } from "./stat-names/stat-names.ts";
import { ALL_STATS, selectStats } from "./stats-query.ts";
import { extractTags } from "./tags.ts";
import { statsText } from "./text.ts";

function sample(): MergedStats {
  const merged = new MergedStats();
  const store = new StatStore((update) => merged.update("main", update));
  store.counter("cluster.up.upstream_rq_2xx").add(2);
  store.counter("cluster.up.upstream_rq_200").add(2);
  store.counter("cluster.up.upstream_rq_total");
  store.gauge("listener_manager.workers_started").set(1);
  store.counter("listener.127.0.0.1_80.worker_0.downstream_cx_total").inc();
  store.histogram("cluster.up.upstream_rq_time").record(5);
  store.flush();
  return merged;
}

const NO_TAGS = { fixedTags: [], summaries: false, textReadouts: false };

test("extractTags() cuts out what Envoy cuts out", () => {
  assert.deepEqual(extractTags("cluster.up.upstream_rq_2xx"), {
    name: "cluster.upstream_rq_xx",
    tags: [
      ["envoy.response_code_class", "2"],
      ["envoy.cluster_name", "up"],
    ],
  });
  assert.deepEqual(extractTags("cluster.up.upstream_rq_200").name, "cluster.upstream_rq");
  assert.deepEqual(extractTags("listener.127.0.0.1_29910.http.ingress.downstream_rq_2xx"), {
    name: "listener.http.downstream_rq_xx",
    tags: [
      ["envoy.response_code_class", "2"],
      ["envoy.http_conn_manager_prefix", "ingress"],
      ["envoy.listener_address", "127.0.0.1_29910"],
    ],
  });
  assert.equal(extractTags("listener.admin.downstream_cx_total").name, "listener.admin.downstream_cx_total");
  assert.equal(extractTags("server.worker_0.watchdog_miss").name, "server.worker.watchdog_miss");
  assert.deepEqual(extractTags("http.in.rds.r1.update_success"), {
    name: "http.rds.update_success",
    tags: [
      ["envoy.rds_route_config", "r1"],
      ["envoy.http_conn_manager_prefix", "in"],
    ],
  });
});

test("statsText() prints texts, numbers, histograms", () => {
  const texts = new Map([["cluster_manager.cds.version_text", "v1"]]);
  const text = statsText(selectStats(sample().snapshot(), texts, ALL_STATS), "summary");
  const lines = text.split("\n");
  assert.equal(lines[0], 'cluster_manager.cds.version_text: "v1"');
  assert.equal(lines[1], "cluster.up.upstream_rq_200: 2");
  assert.match(
    lines[6]!,
    /^cluster\.up\.upstream_rq_time: P0\(nan,5\) .*P50\(nan,5\.05\).*P100\(nan,5\.1\)$/,
  );
});

test("selectStats() filters by use, type and name", () => {
  const snapshot = sample().snapshot();
  const used = selectStats(snapshot, new Map(), { ...ALL_STATS, usedOnly: true });
  assert.ok(!used.counters.some(([name]) => name === "cluster.up.upstream_rq_total"));
  const gauges = selectStats(snapshot, new Map(), { ...ALL_STATS, type: "Gauges" });
  assert.equal(gauges.counters.length, 0);
  assert.equal(gauges.gauges.length, 1);
});

test("statsJson() has Envoy's shape", () => {
  const json = JSON.parse(statsJson(selectStats(sample().snapshot(), new Map(), ALL_STATS), "summary")) as {
    stats: { histograms?: { computed_quantiles: { values: { cumulative: number }[] }[] } }[];
  };
  assert.equal(json.stats.at(-1)!.histograms!.computed_quantiles[0]!.values[2]!.cumulative, 5.05);
});

test("statsPrometheus() writes cumulative buckets and sorted families", () => {
  const text = statsPrometheus(selectStats(sample().snapshot(), new Map(), ALL_STATS), NO_TAGS);
  assert.match(
    text,
    /# TYPE envoy_cluster_upstream_rq counter\nenvoy_cluster_upstream_rq\{envoy_response_code="200",envoy_cluster_name="up"\} 2\n/,
  );
  assert.match(
    text,
    /envoy_listener_worker_downstream_cx_total\{envoy_worker_id="0",envoy_listener_address="127.0.0.1_80"\} 1\n/,
  );
  assert.match(text, /upstream_rq_time_bucket\{envoy_cluster_name="up",le="5"\} 0\n.*le="10"\} 1\n/s);
  assert.match(text, /envoy_listener_manager_workers_started\{\} 1\n/);
});

test("declareStats() shows names at 0", () => {
  const merged = new MergedStats();
  declareStats(merged, "cluster.x.", CLUSTER_STATS);
  const { counters, gauges, histograms } = merged.snapshot();
  assert.equal(counters.get("cluster.x.upstream_rq_total"), 0);
  assert.equal(counters.size + gauges.size + histograms.size, 107);
});
