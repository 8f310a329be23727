import assert from "node:assert/strict";
import test from "node:test";
import { MergedStats, type StatSnapshot } from "./merged-stats.ts";
import { statsJson } from "./json.ts";
import { statsPrometheus } from "./prometheus.ts";
import { StatStore } from "./stat-store.ts";
import { CLUSTER_STATS } from "./stat-names/cluster.ts";
import { declareStats } from "./stat-names/stat-names.ts";
import { ALL_STATS, selectStats, type StatsSource } from "./stats-query.ts";
import { TagExtractor } from "./tag-extractor.ts";
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

/** The sample, whose histogram saw its one value in the last interval too. */
function source(texts: ReadonlyMap<string, string> = new Map()): StatsSource {
  const merged = sample();
  const intervals = new Map(merged.usedHistograms());
  return { texts, chunks: () => merged.chunks(), interval: (name) => intervals.get(name) };
}

test("TagExtractor.extract() gives the labels in Envoy's order", () => {
  const extractor = new TagExtractor([]);
  const line = (name: string): string => {
    const { name: family, labels } = extractor.extract(name);
    return `${family}{${labels}}`;
  };
  const expected = {
    "cluster.b.ext_authz.pre.ok": 'cluster.ext_authz.ok{envoy_cluster_name="b",envoy_ext_authz_prefix="pre"}',
    "cluster.b.ext_authz.ok": 'cluster.ext_authz.ok{envoy_cluster_name="b"}',
    "cluster.b.endpoint.127.0.0.1_80.rq_total":
      'cluster.endpoint.rq_total{envoy_cluster_name="b",envoy_endpoint_address="127.0.0.1:80"}',
    "http.in.ext_authz.pre.ok":
      'http.ext_authz.ok{envoy_ext_authz_prefix="pre",envoy_http_conn_manager_prefix="in"}',
    "http.in.rbac.rsp.policy.p1.allowed":
      'http.rbac.policy.allowed{envoy_rbac_policy_name="p1",envoy_rbac_http_prefix="rsp",' +
      'envoy_http_conn_manager_prefix="in"}',
    "listener.[__1]_80.ssl.curves.X25519":
      'listener.ssl.curves{envoy_ssl_curve="X25519",envoy_listener_address="[__1]_80"}',
    "connection_limit.c.limited_connections":
      'connection_limit.limited_connections{envoy_connection_limit_prefix="c"}',
    "proxy_proto.p.versions.v2.found":
      'proxy_proto.found{envoy_proxy_protocol_prefix="p",envoy_proxy_protocol_version="2"}',
    "nrb.rbac.allowed": 'rbac.allowed{envoy_rbac_prefix="nrb"}',
    "vhost.vh.route.rt.upstream_rq_2xx":
      'vhost.route.upstream_rq_xx{envoy_response_code_class="2",envoy_virtual_host="vh",envoy_route="rt"}',
  };
  for (const [name, labelled] of Object.entries(expected)) assert.equal(line(name), labelled);
});

test("statsText() prints texts, numbers, histograms", () => {
  const texts = new Map([["cluster_manager.cds.version_text", "v1"]]);
  const lines = [...statsText(source(texts), ALL_STATS)].join("").split("\n");
  assert.equal(lines[0], 'cluster_manager.cds.version_text: "v1"');
  assert.equal(lines[1], "cluster.up.upstream_rq_200: 2");
  assert.equal(
    lines[6]!,
    "cluster.up.upstream_rq_time: P0(5.05,5.05) P25(5.05,5.05) P50(5.05,5.05) P75(5.05,5.05) P90(5.05,5.05) " +
      "P95(5.05,5.05) P99(5.05,5.05) P99.5(5.05,5.05) P99.9(5.05,5.05) P100(5.05,5.05)",
  );
});

test("statsText() prints buckets and bins", () => {
  const print = (histograms: "cumulative" | "disjoint" | "detailed"): string =>
    [...statsText(source(), { ...ALL_STATS, type: "Histograms", histograms })].join("");
  const name = "cluster.up.upstream_rq_time:";
  assert.ok(print("cumulative").startsWith(`${name} B0.5(0,0) B1(0,0) B5(0,0) B10(1,1) B25(1,1)`));
  assert.ok(print("cumulative").endsWith("B600000(1,1) B1.8e+06(1,1) B3.6e+06(1,1)\n"));
  assert.ok(print("disjoint").startsWith(`${name} B0.5(0,0) B1(0,0) B5(0,0) B10(1,1) B25(0,0)`));
  assert.ok(
    print("detailed").startsWith(`${name}\n  totals=5,0.1:1\n  intervals=5,0.1:1\n  summary=P0(5.05,5.05)`),
  );
});

test("HistogramView.quantile() estimates as libcircllhist does", () => {
  const merged = new MergedStats();
  const store = new StatStore((update) => merged.update("main", update));
  const histogram = store.histogram("h");
  for (const [value, count] of [
    [1, 4],
    [2, 2],
    [3, 1],
    [5, 1],
    [11, 1],
    [29, 1],
  ] as const)
    for (let i = 0; i < count; i++) histogram.record(value);
  store.flush();
  const view = merged.snapshot().histograms.get("h")!;
  const values = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 1].map((q) => view.quantile(q));
  assert.deepEqual(values, [1.02, 1.06, 2.033333333333333, 5.05, 11.5, 29.5, 29.5]);
});

/** All chunks in one. */
function whole(merged: MergedStats): StatSnapshot {
  const chunks = [...merged.chunks()];
  return {
    counters: new Map(chunks.flatMap(({ counters }) => [...counters])),
    gauges: new Map(chunks.flatMap(({ gauges }) => [...gauges])),
    histograms: new Map(chunks.flatMap(({ histograms }) => [...histograms])),
  };
}

test("selectStats() filters by use, type and name", () => {
  const merged = sample();
  const snapshot = merged.snapshot();
  const used = selectStats(whole(merged), new Map(), { ...ALL_STATS, usedOnly: true });
  assert.ok(!used.counters.some(([name]) => name === "cluster.up.upstream_rq_total"));
  const other = new MergedStats();
  const store = new StatStore((update) => other.update("main", update));
  store.gauge("went.up.and.down").inc();
  store.gauge("went.up.and.down").dec();
  store.counter("was.reset").inc();
  store.gauge("asked.for");
  store.flush();
  other.resetCounters();
  const zeros = selectStats(whole(other), new Map(), { ...ALL_STATS, usedOnly: true });
  assert.deepEqual([zeros.gauges, zeros.counters], [[["went.up.and.down", 0]], [["was.reset", 0]]]);
  const gauges = selectStats(snapshot, new Map(), { ...ALL_STATS, type: "Gauges" });
  assert.equal(gauges.counters.length, 0);
  assert.equal(gauges.gauges.length, 1);
});

test("statsJson() has Envoy's shape", () => {
  const json = JSON.parse([...statsJson(source(), ALL_STATS)].join("")) as {
    stats: { histograms?: { computed_quantiles: { values: { cumulative: number }[] }[] } }[];
  };
  assert.equal(json.stats.at(-1)!.histograms!.computed_quantiles[0]!.values[2]!.cumulative, 5.05);
});

test("statsPrometheus() writes cumulative buckets and sorted families", () => {
  const text = [...statsPrometheus(source(), ALL_STATS, NO_TAGS)].join("");
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

test("MergedStats.chunks() gives the same as snapshot(), in order", () => {
  const merged = sample();
  for (const name of ["a", "a.b", "b"]) declareStats(merged, `cluster.${name}.`, CLUSTER_STATS);
  declareStats(merged, "", { counters: ["server.z", "server.a", "lonely"], gauges: [], histograms: [] });
  declareStats(merged, "server.worker_0.", { counters: ["m"], gauges: [], histograms: [] });
  const all = merged.snapshot();
  const counters = [...merged.chunks()].flatMap((chunk) => [...chunk.counters.keys()].sort());
  assert.deepEqual(counters, [...all.counters.keys()].sort());
  const histograms = [...merged.chunks()].flatMap((chunk) => [...chunk.histograms.keys()].sort());
  assert.deepEqual(histograms, [...all.histograms.keys()].sort());
});

test("MergedStats.forget() takes a prefix away until it is declared again", () => {
  const merged = new MergedStats();
  const store = new StatStore((update) => merged.update("main", update));
  declareStats(merged, "cluster.a.", CLUSTER_STATS);
  declareStats(merged, "cluster.a.b.", CLUSTER_STATS);
  store.counter("cluster.a.upstream_rq_total").add(5);
  store.counter("cluster.a.b.upstream_rq_total").add(7);
  store.histogram("cluster.a.upstream_rq_time").record(1);
  store.flush();
  merged.forget("cluster.a.");
  assert.equal(merged.snapshot().counters.has("cluster.a.upstream_rq_total"), false);
  assert.equal(merged.snapshot().counters.get("cluster.a.b.upstream_rq_total"), 7);
  declareStats(merged, "cluster.a.", CLUSTER_STATS);
  store.counter("cluster.a.upstream_rq_total").inc();
  assert.equal(merged.snapshot().counters.get("cluster.a.upstream_rq_total"), 1);
  assert.equal(merged.snapshot().histograms.get("cluster.a.upstream_rq_time")!.count, 0);
});
