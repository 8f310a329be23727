import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lbPolicies } from "../../extensions/lb/index.ts";
import { ledgerProblems } from "../../proto/support-table.ts";
import { fromJson } from "../../proto/registry.ts";
import { reportUnsupported } from "../../proto/unsupported.ts";
import { TestClusters } from "../../testing/test-clusters.ts";
import type { Extensions } from "../api.ts";
import { checkCluster } from "./check-cluster.ts";
import { upstreamLedger } from "./ledger.ts";

const extensions: Extensions = { http: [], network: [], lb: lbPolicies, accessLog: [], operators: [] };
const ledgers = [upstreamLedger, ...lbPolicies.map((policy) => policy.ledger)];
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

function assignment(address: string): object {
  const socketAddress = { address, port_value: 80 };
  return {
    cluster_name: "c",
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: socketAddress } } }] }],
  };
}

function check(json: object): void {
  const cluster = fromJson("envoy.config.cluster.v3.Cluster", {
    name: "c",
    load_assignment: assignment("127.0.0.1"),
    ...json,
  } as never);
  checkCluster(cluster, extensions, new TestClusters().factory);
}

function unsupported(json: object): string[] {
  const cluster = fromJson("envoy.config.cluster.v3.Cluster", { name: "c", ...json } as never);
  return reportUnsupported(cluster, ledgers).map((entry) => entry.path);
}

describe("checkCluster()", () => {
  it("takes what works", () => {
    check({});
    check({ load_assignment: null });
    check({ type: "STRICT_DNS", load_assignment: assignment("users.test") });
    check({ type: "LOGICAL_DNS", load_assignment: assignment("users.test") });
    check({ type: "EDS", eds_cluster_config: { eds_config: { ads: {} } } });
    check({ lb_policy: "LEAST_REQUEST", round_robin_lb_config: {} });
    const explicit = { explicit_http_config: { http_protocol_options: { enable_trailers: true } } };
    check({
      typed_extension_protocol_options: {
        [HTTP_OPTIONS]: { "@type": `type.googleapis.com/${HTTP_OPTIONS}`, ...explicit },
      },
    });
  });

  const refused: [string, object, RegExp][] = [
    ["EDS without source", { type: "EDS" }, /^Error: cannot create an EDS cluster without an EDS config$/],
    [
      "EDS source elsewhere",
      { eds_cluster_config: { eds_config: { ads: {} } } },
      /eds_cluster_config set in a non-EDS cluster/,
    ],
    [
      "a name in STATIC",
      { load_assignment: assignment("foo.bar") },
      /malformed IP address: foo\.bar\. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'/,
    ],
    [
      "LOGICAL_DNS without endpoint",
      { type: "LOGICAL_DNS", load_assignment: { cluster_name: "c" } },
      /LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint/,
    ],
    [
      "ORIGINAL_DST",
      { type: "ORIGINAL_DST" },
      /LB policy ROUND_ROBIN is not valid for Cluster type ORIGINAL_DST/,
    ],
    [
      "CLUSTER_PROVIDED",
      { lb_policy: "CLUSTER_PROVIDED" },
      /cluster manager: cluster provided LB specified but cluster 'c' did not provide one\. Check cluster documentation\./,
    ],
    [
      "no policy",
      { lb_policy: "LOAD_BALANCING_POLICY_CONFIG" },
      /cluster: field load_balancing_policy need to be set/,
    ],
    [
      "no known policy",
      { load_balancing_policy: { policies: [] } },
      /didn't find a registered load balancer factory implementation for cluster: 'c' with names from \[\]/,
    ],
    [
      "unknown protocol options",
      { typed_extension_protocol_options: { foo: { "@type": `type.googleapis.com/${HTTP_OPTIONS}` } } },
      /Didn't find a registered network or http filter or protocol options implementation for name: 'foo'/,
    ],
    [
      "no protocol",
      {
        typed_extension_protocol_options: {
          [HTTP_OPTIONS]: { "@type": `type.googleapis.com/${HTTP_OPTIONS}` },
        },
      },
      /field: "upstream_protocol_options", reason: is required/,
    ],
    [
      "DNS back-off",
      { dns_failure_refresh_rate: { base_interval: "5s", max_interval: "1s" } },
      /dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval/,
    ],
    [
      "two drop categories",
      {
        load_assignment: {
          cluster_name: "c",
          policy: { drop_overloads: [{ category: "a" }, { category: "b" }] },
        },
      },
      /Cluster drop_overloads config has 2 categories\. Envoy only support one\./,
    ],
    [
      "another DNS resolver",
      {
        typed_dns_resolver_config: {
          name: "x",
          typed_config: { "@type": `type.googleapis.com/${HTTP_OPTIONS}` },
        },
      },
      /Didn't find a registered implementation for name: 'x'/,
    ],
    [
      "unknown transport sockets",
      { transport_socket: { name: "x" } },
      /transport_socket .x.: typed_config must be set/,
    ],
    [
      "underscores",
      { common_http_protocol_options: { headers_with_underscores_action: "DROP_HEADER" } },
      /headers_with_underscores_action is not supported for upstreams/,
    ],
  ];
  for (const [what, json, text] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => check(json), text));
  }
});

describe("upstreamLedger", () => {
  it("names only what Envoy's API has", () => {
    assert.deepEqual(ledgerProblems(ledgers), []);
  });

  it("reports what is not there yet", () => {
    assert.deepEqual(
      unsupported({
        health_checks: [{ tls_options: {} }],
        outlier_detection: { monitors: [{}] },
        lb_subset_config: { scale_locality_weight: true },
        upstream_bind_config: {},
        preconnect_policy: {},
      }).sort(),
      [
        "health_checks[0].tls_options",
        "lb_subset_config.scale_locality_weight",
        "outlier_detection.monitors",
        "preconnect_policy",
        "upstream_bind_config",
      ],
    );
  });
});
