import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileRouteList, compileRoutes, requestHead } from "../../testing/compile-routes.ts";
import { StreamInfo } from "../stream-info.ts";
import type { RouteTable } from "./route-table.ts";

const info = new StreamInfo();

function cluster(
  table: RouteTable,
  path: string,
  fields: [string, string][] = [],
  authority?: string,
  random = 0.5,
) {
  return table.match(requestHead(path, fields, authority), info, random)?.clusterName;
}

describe("RouteTable", () => {
  it("matches paths by kind", () => {
    const table = compileRouteList([
      { match: { path: "/exact" }, route: { cluster: "exact" } },
      { match: { path: "/NoCase", case_sensitive: false }, route: { cluster: "nocase" } },
      { match: { prefix: "/Pre/", case_sensitive: false }, route: { cluster: "pre" } },
      { match: { path_separated_prefix: "/psp" }, route: { cluster: "psp" } },
      { match: { safe_regex: { regex: "/u/\\d+" } }, route: { cluster: "regex" } },
      { match: { safe_regex: { regex: ".*\\.png" } }, route: { cluster: "png" } },
      { match: { prefix: "/a" }, route: { cluster: "a" } },
      { match: { prefix: "/ab" }, route: { cluster: "never" } },
    ]);
    const expected: [path: string, cluster: string | undefined][] = [
      ["/exact", "exact"],
      ["/exact?q=1", "exact"],
      ["/exact#f", "exact"],
      ["/exact/", undefined],
      ["/nocAse", "nocase"],
      ["/pre/x", "pre"],
      ["/psp", "psp"],
      ["/psp/x", "psp"],
      ["/psp?x", "psp"],
      ["/pspx", undefined],
      ["/u/12?x", "regex"],
      ["/u/12/3", undefined],
      ["/abc", "a"],
      ["/ab.png", "png"],
      ["/x.png?y", "png"],
      ["/x?y.png", undefined],
      ["", undefined],
    ];
    for (const [path, name] of expected) assert.equal(cluster(table, path), name, path);
  });

  it("finds virtual hosts as Envoy does", () => {
    const host = (name: string, ...domains: string[]) => ({
      name,
      domains,
      routes: [{ match: { prefix: "/" }, route: { cluster: name } }],
    });
    const table = compileRoutes({
      name: "rc",
      virtual_hosts: [
        host("star", "*"),
        host("exact", "www.Foo.com", "port.com:8080"),
        host("suffix", "*.foo.com", "*-bar.com"),
        host("long", "*.x.foo.com"),
        host("prefix", "foo.*", "foo.bar.*"),
      ],
    });
    const expected: [authority: string, host: string][] = [
      ["www.foo.com", "exact"],
      ["WWW.FOO.COM", "exact"],
      ["port.com:8080", "exact"],
      ["port.com", "star"],
      ["api.foo.com", "suffix"],
      ["a.x.foo.com", "long"],
      [".foo.com", "star"],
      ["q-bar.com", "suffix"],
      ["foo.org", "prefix"],
      ["foo.", "star"],
      ["www.foo.com:80", "star"],
    ];
    for (const [authority, name] of expected)
      assert.equal(cluster(table, "/", [], authority), name, authority);
  });

  it("ignores ports if told to", () => {
    const config = {
      ignore_port_in_host_matching: true,
      virtual_hosts: [
        {
          name: "v",
          domains: ["foo.com", "[::1]"],
          routes: [{ match: { prefix: "/" }, route: { cluster: "c" } }],
        },
      ],
    };
    const table = compileRoutes(config);
    for (const authority of ["foo.com", "foo.com:81", "[::1]", "[::1]:80"])
      assert.equal(cluster(table, "/", [], authority), "c", authority);
    assert.equal(cluster(table, "/", [], "foo.org:81"), undefined);
  });

  it("refuses what Envoy refuses, in its words", () => {
    const hosts = (a: string[], b: string[]) => () =>
      compileRoutes({
        name: "rc",
        virtual_hosts: [
          { name: "a", domains: a },
          { name: "b", domains: b },
        ],
      });
    const route =
      (action: object, more: object = {}) =>
      () =>
        compileRouteList([{ match: { prefix: "/" }, ...action, ...more } as never]);
    const refused: [act: () => unknown, message: string][] = [
      [
        hosts(["Foo"], ["foo"]),
        "Only unique values for domains are permitted. Duplicate entry of domain foo in route rc",
      ],
      [
        hosts(["*.foo"], ["*.foo"]),
        "Only unique values for domains are permitted. Duplicate entry of domain *.foo in route rc",
      ],
      [hosts(["*"], ["*"]), "Only a single wildcard domain is permitted in route rc"],
      [
        route({
          route: {
            cluster: "c",
            prefix_rewrite: "/b",
            regex_rewrite: { pattern: { regex: "a" }, substitution: "b" },
          },
        }),
        "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy",
      ],
      [
        route({ route: { weighted_clusters: { clusters: [{ name: "c", weight: 0 }] } } }),
        "Sum of weights in the weighted_cluster must be greater than 0.",
      ],
      [
        route({ route: { weighted_clusters: { clusters: [{ name: "c", cluster_header: "x" }] } } }),
        "Only one of name or cluster_header can be specified",
      ],
      [
        route({ direct_response: { status: 200, body: { inline_string: "x".repeat(5000) } } }),
        "response body size is 5000 bytes; maximum is 4096",
      ],
      [route({ direct_response: { status: 200, body: { filename: "/nope" } } }), "file /nope does not exist"],
      [
        route(
          { route: { cluster: "c" } },
          { request_headers_to_add: [{ header: { key: "a", value: "%NOPE%" } }] },
        ),
        "Not supported field in StreamInfo: NOPE",
      ],
      [
        route(
          { route: { cluster: "c" } },
          { request_headers_to_add: [{ header: { key: "Host", value: "x" } }] },
        ),
        ":-prefixed or host headers may not be modified",
      ],
      [
        route({ route: { cluster: "c" } }, { request_headers_to_remove: [":path"] }),
        ":-prefixed or host headers may not be removed",
      ],
      [
        route({
          route: {
            cluster: "c",
            retry_policy: { retry_on: "5xx", retry_back_off: { base_interval: "1s", max_interval: "0.5s" } },
          },
        }),
        "retry_policy.max_interval must greater than or equal to the base_interval",
      ],
      [
        route(
          { route: { cluster: "c" } },
          {
            typed_per_filter_config: {
              foo: { "@type": "type.googleapis.com/envoy.config.route.v3.Route", name: "a" },
            },
          },
        ),
        "Didn't find a registered implementation for 'foo' with type URL: 'envoy.config.route.v3.Route'",
      ],
      [
        route(
          { route: { cluster: "c" } },
          {
            typed_per_filter_config: {
              foo: { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig" },
            },
          },
        ),
        "Empty route/virtual host per filter configuration for foo filter",
      ],
    ];
    for (const [act, message] of refused) assert.throws(act, { message });
  });

  it("shares requests among weighted clusters", () => {
    const weighted = {
      clusters: [
        { name: "a", weight: 30 },
        { name: "b", weight: 70 },
      ],
    };
    const table = compileRouteList([
      { match: { prefix: "/h" }, route: { weighted_clusters: { ...weighted, header_name: "x-n" } } },
      { match: { prefix: "/" }, route: { weighted_clusters: weighted } },
    ]);
    assert.equal(cluster(table, "/", [], undefined, 0), "a");
    assert.equal(cluster(table, "/", [], undefined, 0.299), "a");
    assert.equal(cluster(table, "/", [], undefined, 0.3), "b");
    assert.equal(cluster(table, "/", [], undefined, 0.999), "b");
    assert.equal(cluster(table, "/h", [["x-n", "129"]]), "a");
    assert.equal(cluster(table, "/h", [["x-n", "130"]]), "b");
    assert.equal(cluster(table, "/h", [["x-n", "x"]]), "b");
  });

  it("skips routes whose fraction, headers, parameters or content type do not fit", () => {
    const c = (name: string) => ({ route: { cluster: name } });
    const table = compileRouteList([
      { match: { prefix: "/", runtime_fraction: { default_value: { numerator: 25 } } }, ...c("quarter") },
      { match: { prefix: "/", grpc: {} }, ...c("grpc") },
      { match: { prefix: "/", query_parameters: [{ name: "v", string_match: { exact: "2" } }] }, ...c("v2") },
      { match: { prefix: "/", headers: [{ name: "X-A", string_match: { prefix: "y" } }] }, ...c("header") },
      { match: { prefix: "/" }, ...c("rest") },
    ]);
    assert.equal(cluster(table, "/", [], undefined, 0.24), "quarter");
    assert.equal(cluster(table, "/", [["content-type", "application/grpc+proto"]]), "grpc");
    assert.equal(cluster(table, "/", [["content-type", "application/grpc-web"]]), "rest");
    assert.equal(cluster(table, "/?v=2"), "v2");
    assert.equal(
      cluster(table, "/", [
        ["x-a", "n"],
        ["x-a", "yes"],
      ]),
      "header",
    );
    assert.equal(cluster(table, "/"), "rest");
  });

  it("redirects to https where TLS is required", () => {
    const table = compileRoutes({
      virtual_hosts: [
        {
          name: "v",
          domains: ["*"],
          require_tls: "EXTERNAL_ONLY",
          routes: [{ match: { prefix: "/" }, route: { cluster: "c" } }],
        },
      ],
    });
    const http: [string, string] = ["x-forwarded-proto", "http"];
    assert.equal(table.match(requestHead("/", [http]), info, 0)!.action.kind, "redirect");
    assert.equal(cluster(table, "/", [http, ["x-envoy-internal", "true"]]), "c");
    assert.equal(cluster(table, "/", [["x-forwarded-proto", "https"]]), "c");
  });

  it("gives the most specific per-filter configuration", () => {
    const table = compileRoutes({
      typed_per_filter_config: {
        f: { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true },
      },
      virtual_hosts: [
        { name: "v", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "c" } }] },
      ],
    });
    assert.equal(table.match(requestHead("/"), info, 0)!.filterDisabled("f"), true);
    assert.equal(table.match(requestHead("/"), info, 0)!.filterDisabled("g"), false);
  });
});
