import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderMap } from "../../http/header-map.ts";
import type { ResetReason } from "../../http/stream.ts";
import { fromJson } from "../../proto/registry.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import { ClusterHandles } from "../route/cluster-handles.ts";
import { RequestTimeouts } from "./request-timeouts.ts";
import { compileRetryPolicy, noRetries } from "../route/retry-policy.ts";
import { RetryState } from "./retry-state.ts";

type Json = Parameters<typeof fromJson>[1];
type Headers = [string, string][];

const WALL = 1_800_000_000_000;

function begin(policy: Json | undefined, request: Headers = [], maxRetries = 100) {
  const test = new TestClusters();
  const thresholds = [{ maxRetries }];
  test.cluster("c", { circuitBreakers: { thresholds } });
  const handles = new ClusterHandles(test.clusters.get("c")!);
  const random = { value: 0.5 };
  const state = new RetryState({ random: () => random.value, wall: () => WALL });
  const headers = HeaderMap.of(request);
  const compiled =
    policy === undefined
      ? noRetries
      : compileRetryPolicy(fromJson("envoy.config.route.v3.RetryPolicy", policy));
  state.begin(compiled, handles, 0, headers);
  return { state, headers, random, counts: () => test.counts("c") };
}

function response(status: number, fields: Headers = []): HeaderMap {
  const headers = HeaderMap.of(fields);
  headers.status = status;
  return headers;
}

describe("RetryState", () => {
  const responses: [on: string, status: number, fields: Headers, retried: boolean][] = [
    ["5xx", 500, [], true],
    ["5xx", 499, [], false],
    ["gateway-error", 500, [], false],
    ["gateway-error", 502, [], true],
    ["gateway-error", 504, [], true],
    ["retriable-4xx", 409, [], true],
    ["retriable-4xx", 404, [], false],
    ["retriable-status-codes", 418, [], true],
    ["retriable-status-codes", 503, [], false],
    ["retriable-headers", 200, [["x-again", "1"]], true],
    ["retriable-headers", 200, [["x-again", "2"]], false],
    ["5xx", 503, [["x-envoy-ratelimited", "true"]], false],
    ["envoy-ratelimited", 429, [["x-envoy-ratelimited", "true"]], true],
    ["envoy-ratelimited", 429, [], false],
    ["5xx", 503, [["x-envoy-overloaded", "true"]], true],
    ["unavailable", 200, [["grpc-status", "14"]], true],
    ["unavailable", 200, [["grpc-status", "13"]], false],
    ["internal,cancelled", 200, [["grpc-status", "1"]], true],
    ["connect-failure", 503, [], false],
  ];
  for (const [on, status, fields, retried] of responses) {
    it(`${on}: ${status} ${JSON.stringify(fields)} is ${retried ? "" : "not "}retried`, () => {
      const policy = {
        retry_on: on,
        retriable_status_codes: [418],
        retriable_headers: [{ name: "x-again", string_match: { exact: "1" } }],
      };
      const { state } = begin(policy);
      assert.equal(state.onHeaders(response(status, fields)), retried ? "retry" : "no");
    });
  }

  const resets: [on: string, reason: ResetReason, started: boolean, retried: boolean][] = [
    ["5xx", "connection-failure", false, true],
    ["5xx", "overflow", false, false],
    ["reset", "connection-termination", true, true],
    ["reset", "remote-reset-no-error", true, false],
    ["reset-before-request", "connection-termination", true, false],
    ["reset-before-request", "connection-failure", false, true],
    ["gateway-error", "remote-reset", true, true],
    ["connect-failure", "connection-failure", false, true],
    ["connect-failure", "connection-timeout", false, true],
    ["connect-failure", "connection-termination", true, false],
    ["refused-stream", "remote-refused-stream-reset", true, true],
    ["refused-stream", "remote-reset", true, false],
    ["retriable-4xx", "remote-reset", true, false],
  ];
  for (const [on, reason, started, retried] of resets) {
    it(`${on}: ${reason} ${started ? "after" : "before"} the request is ${retried ? "" : "not "}retried`, () => {
      const { state } = begin({ retry_on: on });
      assert.equal(state.onReset(reason, started), retried ? "retry" : "no");
    });
  }

  it("takes what the request's headers say, and takes the headers away", () => {
    const { state, headers } = begin(undefined, [
      ["x-envoy-retry-on", "retriable-status-codes,retriable-headers"],
      ["x-envoy-max-retries", "2"],
      ["x-envoy-retriable-status-codes", "404, 410"],
      ["x-envoy-retriable-header-names", "x-a, X-B"],
      ["x-envoy-retry-grpc-on", "unavailable"],
    ]);
    assert.equal(headers.size, 0);
    assert.equal(state.onHeaders(response(410)), "retry");
    assert.equal(state.onHeaders(response(200, [["x-b", ""]])), "retry");
    assert.equal(state.onHeaders(response(404)), "limit");
  });

  it("retries only requests that match retriable_request_headers", () => {
    const policy = {
      retry_on: "5xx",
      retriable_request_headers: [{ name: ":method", string_match: { exact: "GET" } }],
    };
    assert.equal(begin(policy).state.enabled, false);
  });

  it("stops at the limit and counts", () => {
    const { state, counts } = begin({ retry_on: "5xx", num_retries: 2 });
    assert.equal(state.onHeaders(response(503)), "retry");
    assert.equal(state.onReset("connection-failure", false), "retry");
    assert.equal(state.onHeaders(response(503)), "limit");
    state.release();
    assert.equal(counts()["upstream_rq_retry"], 2);
    assert.equal(counts()["upstream_rq_retry_limit_exceeded"], 1);
  });

  it("counts a success after a retry", () => {
    const { state, counts } = begin({ retry_on: "5xx" });
    state.onHeaders(response(503));
    assert.equal(state.onHeaders(response(200)), "no");
    assert.equal(counts()["upstream_rq_retry_success"], 1);
  });

  it("respects the cluster's budget", () => {
    const { state, counts } = begin({ retry_on: "5xx" }, [], 0);
    assert.equal(state.onHeaders(response(503)), "overflow");
    assert.equal(counts()["upstream_rq_retry_overflow"], 1);
  });

  it("backs off exponentially with jitter up to ten times the base", () => {
    const { state, random } = begin({ retry_on: "5xx", num_retries: 9 });
    random.value = 0.999999;
    const waits = [];
    for (let i = 0; i < 6; i++) waits.push(Math.ceil(state.backOff()));
    assert.deepEqual(waits, [25, 50, 100, 200, 250, 250]);
    random.value = 0;
    assert.equal(state.backOff(), 0);
  });

  it("waits as long as the server asks", () => {
    const rate_limited_retry_back_off = {
      reset_headers: [{ name: "Retry-After" }, { name: "X-Reset", format: "UNIX_TIMESTAMP" }],
      max_interval: "60s",
    };
    const { state } = begin({
      retry_on: "5xx",
      num_retries: 9,
      rate_limited_retry_back_off,
    } as unknown as Json);
    const wait = (fields: Headers) => {
      assert.equal(state.onHeaders(response(503, fields)), "retry");
      return state.backOff();
    };
    assert.equal(wait([["retry-after", "2"]]), 2500);
    assert.equal(wait([["x-reset", String(WALL / 1000 + 4)]]), 5000);
    assert.equal(wait([["retry-after", "61"]]), 12.5);
    assert.equal(wait([["retry-after", "soon"]]), 25);
  });
});

describe("RequestTimeouts", () => {
  const cases: [
    route: number,
    perTry: string,
    fields: Headers,
    respect: boolean,
    global: number,
    tryMs: number,
    expected: number,
  ][] = [
    [15000, "0s", [], false, 15000, 0, 15000],
    [0, "0s", [], false, 0, 0, 0],
    [1000, "0.2s", [], false, 1000, 200, 200],
    [100, "0.2s", [], false, 100, 0, 100],
    [0, "0.2s", [], false, 0, 200, 200],
    [15000, "0s", [["x-envoy-upstream-rq-timeout-ms", "70"]], false, 70, 0, 70],
    [15000, "0s", [["x-envoy-upstream-rq-timeout-ms", "x"]], false, 15000, 0, 15000],
    [15000, "0s", [["x-envoy-upstream-rq-per-try-timeout-ms", "70"]], false, 15000, 70, 70],
    [15000, "0s", [["x-envoy-expected-rq-timeout-ms", "40"]], false, 15000, 0, 15000],
    [15000, "0s", [["x-envoy-expected-rq-timeout-ms", "40"]], true, 40, 0, 40],
  ];
  for (const [route, per_try_timeout, fields, respect, global, tryMs, expected] of cases) {
    it(`route ${route} ms, try ${per_try_timeout}, ${JSON.stringify(fields)}, respect ${respect}`, () => {
      const policy = compileRetryPolicy(fromJson("envoy.config.route.v3.RetryPolicy", { per_try_timeout }));
      const timeouts = new RequestTimeouts();
      timeouts.begin(route, policy, HeaderMap.of(fields), respect);
      assert.deepEqual([timeouts.global, timeouts.perTry, timeouts.expected(0)], [global, tryMs, expected]);
    });
  }

  it("expects what is left on a retry, at least 1 ms", () => {
    const timeouts = new RequestTimeouts();
    timeouts.begin(100, noRetries, HeaderMap.of([]), false);
    assert.equal(timeouts.expected(30), 70);
    assert.equal(timeouts.expected(120), 1);
  });
});
