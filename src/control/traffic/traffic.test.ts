import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Client, credentials, type ClientDuplexStream } from "@grpc/grpc-js";
import { FakeClock } from "../../base/fake-clock.ts";
import { TextMetrics } from "../../base/text-metrics.ts";
import { GrpcServer } from "../../grpc/server.ts";
import { durationMs, msDuration } from "../../proto/duration.ts";
import {
  create,
  decode,
  encode,
  type MessageInit,
  type MessageName,
  type MessageOf,
} from "../../proto/registry.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import { ACCESS_LOG_METHOD } from "./access-log-stream.ts";
import { LOAD_REPORT_METHOD } from "./load-report-stream.ts";
import { addTrafficMetrics } from "./traffic-metrics.ts";
import { Traffic, type TrafficSettings } from "./traffic.ts";

const LOADS = "envoy.service.load_stats.v3.LoadStatsRequest";
const LOGS = "envoy.service.accesslog.v3.StreamAccessLogsMessage";
type Answer = MessageOf<"envoy.service.load_stats.v3.LoadStatsResponse">;

/** Both services on a real server, with scripted proxies. */
async function start(t: TestContext, settings: TrafficSettings = {}) {
  const clock = new FakeClock();
  const log: string[] = [];
  const note = (text: string) => void log.push(text);
  let clusters = ["users", "users@v1"];
  const traffic = new Traffic({
    ...settings,
    clusters: () => clusters,
    clock,
    log: { info: note, warn: note },
  });
  const server = new GrpcServer();
  traffic.register(server);
  const client = new Client(`127.0.0.1:${await server.listen("127.0.0.1", 0)}`, credentials.createInsecure());
  t.after(() => {
    client.close();
    traffic.close();
    server.close();
  });
  const page = new TextMetrics();
  addTrafficMetrics(page, traffic);
  const shows = async (line: string) => waitUntil(line, () => page.render().split("\n").includes(line));
  const open = <N extends MessageName>(method: string, name: N) => {
    const same = (bytes: Buffer) => bytes;
    const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(method, same, same);
    stream.on("error", () => {});
    const answers: Buffer[] = [];
    stream.on("data", (bytes: Buffer) => answers.push(bytes));
    const send = (init: MessageInit<N>) => stream.write(Buffer.from(encode(name, create(name, init))));
    return { stream, answers, send };
  };
  const asked = async (answers: readonly Buffer[], nth: number): Promise<Answer> => {
    await waitUntil(`answer ${nth}`, () => answers.length >= nth);
    return decode("envoy.service.load_stats.v3.LoadStatsResponse", answers[nth - 1]!);
  };
  return {
    clock,
    log,
    traffic,
    page,
    shows,
    open,
    asked,
    setClusters: (names: string[]) => (clusters = names),
  };
}

const node = { cluster: "edge", clientFeatures: ["envoy.lrs.supports_send_all_clusters"] };

test("load reports are asked for once and become numbers by service and version", async (t) => {
  const { open, asked, shows } = await start(t, { loadIntervalMs: 2500 });
  const { send, answers } = open(LOAD_REPORT_METHOD, LOADS);
  send({ node });
  const answer = await asked(answers, 1);
  assert.deepEqual([answer.sendAllClusters, answer.clusters], [true, []]);
  assert.equal(durationMs(answer.loadReportingInterval!), 2500);
  const locality = (success: bigint, error: bigint) => ({
    totalSuccessfulRequests: success,
    totalErrorRequests: error,
    totalIssuedRequests: success + error + 1n,
    totalRequestsInProgress: 1n,
    loadMetricStats: [{ metricName: "cpu", numRequestsFinishedWithMetric: 2n, totalMetricValue: 0.5 }],
  });
  const stats = {
    clusterName: "users@v2",
    upstreamLocalityStats: [locality(5n, 1n), locality(2n, 0n)],
    totalDroppedRequests: 5n,
    droppedRequests: [{ category: "lb_drop", droppedCount: 3n }],
    loadReportInterval: msDuration(2500),
  };
  send({ clusterStats: [stats] });
  send({ clusterStats: [stats] });
  const labels = 'service="users",version="v2"';
  await shows(`weft_load_requests_total{${labels},result="success",node_cluster="edge"} 14`);
  await shows(`weft_load_requests_total{${labels},result="error",node_cluster="edge"} 2`);
  await shows(`weft_load_issued_total{${labels},node_cluster="edge"} 20`);
  await shows(`weft_load_dropped_total{${labels},category="lb_drop",node_cluster="edge"} 6`);
  await shows(`weft_load_dropped_total{${labels},category="",node_cluster="edge"} 4`);
  await shows(`weft_load_backend_metric_sum{${labels},metric="cpu",node_cluster="edge"} 2`);
  await shows(`weft_load_backend_metric_requests_total{${labels},metric="cpu",node_cluster="edge"} 8`);
  await shows(`weft_load_in_progress{${labels}} 2`);
  assert.equal(answers.length, 1, "not asked again");
});

test("requests in progress are of proxies that still report", async (t) => {
  const { clock, traffic, open, shows } = await start(t, { loadIntervalMs: 1000 });
  const reporter = () => {
    const { send, stream } = open(LOAD_REPORT_METHOD, LOADS);
    const inProgress = { upstreamLocalityStats: [{ totalRequestsInProgress: 7n }] };
    send({ node, clusterStats: [{ clusterName: "users", ...inProgress }] });
    return stream;
  };
  const [first] = [reporter(), reporter()];
  await shows('weft_load_in_progress{service="users",version=""} 14');
  first.cancel();
  await shows('weft_load_in_progress{service="users",version=""} 7');
  await shows("weft_load_reporters 1");
  clock.advance(3001);
  assert.equal(traffic.loadReporters, 0, "one that says nothing any more does not count");
  assert.deepEqual([...traffic.inProgress], []);
});

test("a client that cannot tell of all its clusters is asked about those that there are", async (t) => {
  const { open, asked, setClusters } = await start(t);
  const { send, answers } = open(LOAD_REPORT_METHOD, LOADS);
  send({ node: { cluster: "old" } });
  const first = await asked(answers, 1);
  assert.deepEqual([first.sendAllClusters, first.clusters], [false, ["users", "users@v1"]]);
  setClusters(["users"]);
  send({});
  assert.deepEqual((await asked(answers, 2)).clusters, ["users"]);
});

test("access logs become numbers of what is over, by class, with times", async (t) => {
  const { open, shows, page } = await start(t, { labels: ["method", "route"] });
  const { send } = open(ACCESS_LOG_METHOD, LOGS);
  const entry = (more: object, responseCode: number | undefined, ms: number) => ({
    commonProperties: {
      upstreamCluster: "users@v1",
      routeName: "r",
      timeToLastUpstreamRxByte: msDuration(ms),
      ...more,
    },
    request: { requestMethod: 3, authority: "a", path: "/p?secret=1" },
    response: { responseCode },
  });
  const logs = [
    entry({}, 200, 20),
    entry({ accessLogType: 6 }, 201, 3000),
    entry({ accessLogType: 4 }, undefined, 0),
    entry({ intermediateLogEntry: true }, 200, 0),
    entry({ upstreamCluster: "", customTags: { "weft.cluster": "users" } }, 503, 1),
    entry({}, undefined, 1),
  ];
  send({ identifier: { node }, logEntries: { case: "httpLogs", value: { logEntry: logs } } });
  const labels = (version: string, status: string) =>
    `service="users",version="${version}",class="${status}",node_cluster="edge",method="POST",route="r"`;
  await shows(`weft_traffic_requests_total{${labels("v1", "2xx")}} 2`);
  await shows(`weft_traffic_requests_total{${labels("", "5xx")}} 1`);
  await shows(`weft_traffic_requests_total{${labels("v1", "none")}} 1`);
  await shows(`weft_traffic_request_seconds_bucket{${labels("v1", "2xx")},le="0.025"} 1`);
  await shows(`weft_traffic_request_seconds_bucket{${labels("v1", "2xx")},le="5"} 2`);
  await shows(`weft_traffic_request_seconds_sum{${labels("v1", "2xx")}} 3.02`);
  assert.ok(!page.render().includes("secret"));
  const tcp = [
    { commonProperties: { upstreamCluster: "db", responseFlags: { upstreamConnectionFailure: true } } },
  ];
  send({ logEntries: { case: "tcpLogs", value: { logEntry: tcp } } });
  await shows(
    'weft_traffic_connections_total{service="db",version="",result="failed",node_cluster="edge"} 1',
  );
});

test("there are never more series than allowed, and what was folded is told", async (t) => {
  const { open, shows } = await start(t, { maxSeries: 3 });
  const { send } = open(ACCESS_LOG_METHOD, LOGS);
  const logEntry = Array.from({ length: 10 }, (_, i) => ({
    commonProperties: { upstreamCluster: `s${i}` },
    response: { responseCode: i < 8 ? 200 : 500 },
  }));
  send({ identifier: { node }, logEntries: { case: "httpLogs", value: { logEntry } } });
  await shows("weft_traffic_folded_total 7");
  const other = (status: string) =>
    `weft_traffic_requests_total{service="other",version="other",class="${status}",node_cluster="other"}`;
  await shows(`${other("2xx")} 5`);
  await shows(`${other("5xx")} 2`);
});

test("the most frequent errors are logged after each period, when asked for", async (t) => {
  const { clock, log, traffic, open } = await start(t, { errorPeriodMs: 1000, logErrors: 1 });
  const { send } = open(ACCESS_LOG_METHOD, LOGS);
  const logEntry = ["/a?b=c", "/d", "/a"].map((path) => ({
    request: { requestMethod: 1, scheme: "https", authority: "host", path },
    response: { responseCode: 502 },
  }));
  send({ identifier: { node }, logEntries: { case: "httpLogs", value: { logEntry } } });
  await waitUntil("they are counted", () => traffic.topErrors(5).lines.length === 2);
  clock.advance(1000);
  assert.deepEqual(log, ["errors: 2 × 502 GET https://host/a"]);
});
