import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../base/fake-clock.ts";
import { GrpcClient } from "../../grpc/client.ts";
import { encodeFrame } from "../../grpc/frame.ts";
import type { GrpcCall } from "../../grpc/server-method.ts";
import { GrpcServer } from "../../grpc/server.ts";
import { durationMs, msDuration } from "../../proto/duration.ts";
import { create, decode, encode, type MessageInit, type MessageOf } from "../../proto/registry.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import { waitUntil } from "../../testing/wait-until.ts";
import type { ClusterReport, HostReport } from "../admin/admin-host.ts";
import { LoadReporter } from "./load-reporter.ts";

const REQUEST = "envoy.service.load_stats.v3.LoadStatsRequest";
const RESPONSE = "envoy.service.load_stats.v3.LoadStatsResponse";

function host(address: string, totals: Partial<HostReport>): HostReport {
  const place = { region: "r", zone: address.startsWith("a") ? "a" : "b", subZone: "", priority: 0 };
  const nothing = { rqSuccess: 0, rqError: 0, rqTotal: 0, rqActive: 0 };
  return { address, ...place, ...nothing, ...totals } as HostReport;
}

const cluster = (name: string, ...hosts: HostReport[]) =>
  ({ name, edsServiceName: "", hosts }) as unknown as ClusterReport;

async function start(t: TestContext) {
  const requests: MessageOf<typeof REQUEST>[] = [];
  const calls: GrpcCall[] = [];
  const server = new GrpcServer();
  server.register("/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats", (call) => {
    calls.push(call);
    return { onMessage: (bytes) => requests.push(decode(REQUEST, bytes)), onEnd() {}, onClose() {} };
  });
  const clock = new FakeClock();
  const own = new TestClusters({ clock });
  own.http2("lrs", await server.listen("127.0.0.1", 0));
  const log: string[] = [];
  const state = { clusters: [] as ClusterReport[] };
  const note = (text: string) => void log.push(text);
  const reporter = new LoadReporter({
    server: new GrpcClient(own.factory.calls, { cluster: "lrs" }),
    node: create("envoy.config.core.v3.Node", { id: "n", clientFeatures: ["x"] }),
    clusters: () => state.clusters,
    stats: own.stats,
    clock,
    log: { warn: note, debug: note } as never,
    random: () => 1,
  });
  t.after(() => {
    reporter.close();
    own.close();
    server.close();
  });
  const answer = (init: MessageInit<typeof RESPONSE>) =>
    calls.at(-1)!.send(encodeFrame(encode(RESPONSE, create(RESPONSE, init))));
  const got = async (count: number) => {
    await waitUntil(`${count} requests`, () => requests.length >= count);
    return requests[count - 1]!;
  };
  const answered = (count: number) =>
    waitUntil("the answer is there", () => {
      own.stats.flush();
      return own.merged.snapshot().counters.get("load_reporter.responses") === count;
    });
  return { clock, log, calls, state, answer, got, answered, requests };
}

test("LoadReporter tells what was sent since it was asked, by locality, at each interval", async (t) => {
  const { clock, state, answer, got, answered } = await start(t);
  const { node, clusterStats } = await got(1);
  assert.deepEqual(
    [node?.id, node?.clientFeatures, clusterStats],
    ["n", ["x", "envoy.lrs.supports_send_all_clusters"], []],
  );
  state.clusters = [cluster("users", host("a1", { rqSuccess: 9, rqTotal: 9 }))];
  answer({ sendAllClusters: true, loadReportingInterval: msDuration(2000) });
  await answered(1);
  state.clusters = [
    cluster(
      "users",
      host("a1", { rqSuccess: 12, rqTotal: 12 }),
      host("a2", { rqError: 1, rqTotal: 2, rqActive: 1 }),
      host("b1", {}),
    ),
    cluster("late", host("b1", { rqSuccess: 4, rqTotal: 4 })),
  ];
  clock.advance(1999);
  clock.advance(1);
  const { clusterStats: first } = await got(2);
  const told = (stats: typeof first) =>
    stats.map(({ clusterName, upstreamLocalityStats }) => [
      clusterName,
      ...upstreamLocalityStats.map((each) =>
        [
          each.locality?.zone,
          each.totalSuccessfulRequests,
          each.totalErrorRequests,
          each.totalIssuedRequests,
          each.totalRequestsInProgress,
        ].join(" "),
      ),
    ]);
  assert.deepEqual(told(first), [
    ["users", "a 3 1 5 1"],
    ["late", "b 4 0 4 0"],
  ]);
  assert.equal(durationMs(first[0]!.loadReportInterval!), 2000);
  // A host that began anew under its old address counts from 0.
  state.clusters = [cluster("users", host("a1", { rqSuccess: 2, rqTotal: 2 }))];
  clock.advance(2000);
  assert.deepEqual(told((await got(3)).clusterStats), [["users", "a 2 0 2 0"]]);
});

test("LoadReporter tells of the clusters that it is asked about", async (t) => {
  const { clock, state, answer, got, answered } = await start(t);
  await got(1);
  state.clusters = [cluster("users"), cluster("other")];
  answer({ clusters: ["users", "nobody"], loadReportingInterval: msDuration(1000) });
  await answered(1);
  clock.advance(1000);
  assert.deepEqual(
    (await got(2)).clusterStats.map(({ clusterName }) => clusterName),
    ["users"],
  );
});

test("LoadReporter comes again when its stream broke, and forgets nothing", async (t) => {
  const { clock, log, calls, state, answer, got, answered } = await start(t);
  await got(1);
  state.clusters = [cluster("users", host("a1", { rqSuccess: 1, rqTotal: 1 }))];
  const all = { sendAllClusters: true, loadReportingInterval: msDuration(1000) };
  answer(all);
  await answered(1);
  calls[0]!.end(14, "going away");
  await waitUntil("it is told", () => log.length === 1);
  assert.match(log[0]!, /load reporting stream closed: 14, going away/);
  state.clusters = [cluster("users", host("a1", { rqSuccess: 5, rqTotal: 5 }))];
  clock.advance(1000);
  await waitUntil("another stream", () => calls.length === 2);
  assert.equal((await got(2)).node?.id, "n");
  answer(all);
  await answered(2);
  clock.advance(1000);
  const [users] = (await got(3)).clusterStats;
  assert.equal(users!.upstreamLocalityStats[0]!.totalSuccessfulRequests, 4n, "also of the time in between");
  assert.equal(durationMs(users!.loadReportInterval!), 2000);
});
