import assert from "node:assert/strict";
import { test } from "node:test";
import type { SeenLoad, TrafficTap } from "../traffic/seen-traffic.ts";
import { ReportedTrafficJudge } from "./reported-traffic-judge.ts";
import type { ObservedTraffic, TrafficWatch } from "./traffic-judge.ts";

const SINCE = 1_000_000;

function start(scraped: Record<string, ObservedTraffic> | Error) {
  const taps = new Set<TrafficTap>();
  const state = { isReported: false, now: SINCE };
  const judge = new ReportedTrafficJudge({
    reports: {
      get isReported() {
        return state.isReported;
      },
      tap(tap) {
        taps.add(tap);
        return () => void taps.delete(tap);
      },
    },
    fallback: {
      watch: (): TrafficWatch => ({
        async read() {
          if (scraped instanceof Error) throw scraped;
          return new Map(Object.entries(scraped));
        },
        close() {},
      }),
    },
    now: () => state.now,
  });
  const watch = judge.watch(["users@v1", "users@v2"]);
  const request = (cluster: string, status: number, durationMs: number, startMs = SINCE) => {
    const rest = { nodeCluster: "", method: "", route: "", url: "" };
    for (const tap of taps) tap.onRequest({ cluster, status, durationMs, startMs, ...rest });
  };
  const load = (cluster: string, succeeded: number, failed: number, intervalMs: number) => {
    const rest = { nodeCluster: "", issued: 0, inProgress: 0, dropped: new Map(), metrics: new Map() };
    const seen: SeenLoad = { cluster, succeeded, failed, intervalMs, ...rest };
    for (const tap of taps) tap.onLoad(seen);
  };
  const read = async () => Object.fromEntries(await watch.read());
  return { state, taps, watch, request, load, read };
}

test("without reports it is the fallback's to tell", async () => {
  const scraped = { "users@v2": { requests: 9, failures: 1, meanMs: 3 } };
  assert.deepEqual(await start(scraped).read(), scraped);
  await assert.rejects(start(new Error("nobody answers")).read(), /nobody answers/);
});

test("nothing seen by proxies that report is no traffic, not an error", async () => {
  const { state, read } = start(new Error("nobody answers"));
  state.isReported = true;
  assert.deepEqual(await read(), {});
});

test("access logs tell requests since the watch began, failures and times", async () => {
  const { request, read } = start(new Error("nobody answers"));
  request("users@v2", 200, 10);
  request("users@v2", 503, 20);
  request("users@v2", 0, 1000);
  request("users@v2", 500, 1000, SINCE - 1);
  request("other", 500, 1000);
  const seen = await read();
  assert.deepEqual(seen["users@v2"], { requests: 2, failures: 1, meanMs: 15 });
  assert.equal(seen["users@v1"]!.requests, 0);
});

test("load reports tell requests and failures; times are the fallback's", async () => {
  const { state, load, read } = start({ "users@v2": { requests: 1, failures: 0, meanMs: 7 } });
  state.now = SINCE + 500;
  load("users@v2", 100, 100, 1000);
  state.now = SINCE + 1500;
  load("users@v2", 8, 2, 1000);
  const seen = await read();
  assert.deepEqual(
    seen["users@v2"],
    { requests: 10, failures: 2, meanMs: 7 },
    "only what came after it began",
  );
});

test("of logs and load reports that count which saw more, not both", async () => {
  const { state, request, load, read } = start(new Error("nobody answers"));
  request("users@v2", 200, 10);
  state.now = SINCE + 1000;
  load("users@v2", 3, 1, 1000);
  assert.deepEqual((await read())["users@v2"], { requests: 4, failures: 1, meanMs: 10 });
});

test("a closed watch hears nothing more", () => {
  const { watch, taps } = start({});
  watch.close();
  assert.equal(taps.size, 0);
});
