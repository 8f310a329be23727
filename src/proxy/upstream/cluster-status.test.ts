import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromJson } from "../../proto/registry.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import { BREAKER_FIELDS, BREAKER_WORDS, HOST_FIELDS, HOST_WORDS } from "../link.ts";
import { clusterRows, clusterText, refreshBreakerGauges } from "./cluster-status.ts";

const message = fromJson("envoy.config.cluster.v3.Cluster", {
  name: "up",
  circuit_breakers: { thresholds: [{ max_requests: 2, track_remaining: true }] },
});

describe("clusterText()", () => {
  it("prints what Envoy prints", () => {
    const test = new TestClusters();
    const states = new Int32Array(test.hostStates);
    const hosts = [
      test.host(80, { hostname: "foo", weight: 3, zone: "z" }),
      test.host(81, { health: "draining", priority: 1 }),
    ];
    states[HOST_FIELDS.requestsTotal] = 7;
    states[HOST_FIELDS.activeConnections] = 2;
    states[HOST_WORDS + HOST_FIELDS.failed] = 3;
    const rows = clusterRows({ message, hosts, addedViaApi: true }, states);
    const lines = clusterText(rows).split("\n");
    assert.deepEqual(lines.slice(0, 11), [
      "up::observability_name::up",
      "up::default_priority::max_connections::1024",
      "up::default_priority::max_pending_requests::1024",
      "up::default_priority::max_requests::2",
      "up::default_priority::max_retries::3",
      "up::high_priority::max_connections::1024",
      "up::high_priority::max_pending_requests::1024",
      "up::high_priority::max_requests::1024",
      "up::high_priority::max_retries::3",
      "up::added_via_api::true",
      "up::127.0.0.1:80::cx_active::2",
    ]);
    assert.deepEqual(lines.slice(11, 29), [
      "up::127.0.0.1:80::cx_connect_fail::0",
      "up::127.0.0.1:80::cx_total::0",
      "up::127.0.0.1:80::rq_active::0",
      "up::127.0.0.1:80::rq_error::0",
      "up::127.0.0.1:80::rq_pending_active::0",
      "up::127.0.0.1:80::rq_success::0",
      "up::127.0.0.1:80::rq_timeout::0",
      "up::127.0.0.1:80::rq_total::7",
      "up::127.0.0.1:80::hostname::foo",
      "up::127.0.0.1:80::health_flags::healthy",
      "up::127.0.0.1:80::weight::3",
      "up::127.0.0.1:80::region::",
      "up::127.0.0.1:80::zone::z",
      "up::127.0.0.1:80::sub_zone::",
      "up::127.0.0.1:80::canary::false",
      "up::127.0.0.1:80::priority::0",
      "up::127.0.0.1:80::success_rate::-1",
      "up::127.0.0.1:80::local_origin_success_rate::-1",
    ]);
    const flags = "up::127.0.0.1:81::health_flags::/failed_active_hc/failed_outlier_check/failed_eds_health";
    assert.ok(lines.includes(flags));
    assert.equal(lines.at(-1), "");
  });
});

describe("refreshBreakerGauges()", () => {
  it("shows full breakers and, when asked for, what is left", () => {
    const test = new TestClusters();
    const counts = new Int32Array(test.breakers);
    counts[BREAKER_WORDS + BREAKER_FIELDS.requests] = 2;
    counts[BREAKER_WORDS + BREAKER_FIELDS.connections] = 5;
    refreshBreakerGauges(message, 1, counts, test.stats.scope("cluster.up."));
    const found = test.counts("up");
    assert.equal(found["circuit_breakers.default.rq_open"], 1);
    assert.equal(found["circuit_breakers.default.cx_open"], undefined);
    assert.equal(found["circuit_breakers.default.remaining_cx"], 1019);
    assert.equal(found["circuit_breakers.default.remaining_rq"], undefined);
    assert.equal(found["circuit_breakers.high.remaining_cx"], undefined);
  });
});
