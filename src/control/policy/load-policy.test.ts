import assert from "node:assert/strict";
import { test } from "node:test";
import { loadPolicy } from "./load-policy.ts";

/** All lines that are said about a policy. */
function problems(text: string): string[] {
  try {
    loadPolicy(text, "mesh.yaml");
    return [];
  } catch (error) {
    return (error as Error).message.split("\n").map((line) => line.replace('Cannot load "mesh.yaml": ', ""));
  }
}

test("loadPolicy() tells everything that is wrong at once, by line and field, and what was meant", () => {
  const text = `edge:
  listne: 127.0.0.1:80
  routes:
    - { prefix: /a, service: pay, headers: { x-a: { exat: "1" } } }
    - { prefix: /b, service: users, envoy: { route: { rout: { cluster: x } } } }
services:
  users:
    protocol: http3
    envoy:
      cluster: { lb_polcy: MAGLEV, connect_timeout: 5x }
    routes:
      - { regex: "(a", version: v1 }
  pay: { timout_ms: 3 }
`;
  assert.deepEqual(problems(text), [
    'line 2: edge.listne: unknown field "listne" (did you mean "listen"?)',
    'line 4: edge.routes[0].headers.x-a.exat: unknown field "exat" (did you mean "exact"?)',
    "line 4: edge.routes[0].headers.x-a: needs one of exact, prefix, suffix, contains, regex and present",
    'line 5: edge.routes[1].envoy.route.rout: unknown field "rout" in envoy.config.route.v3.Route (did you mean "route"?)',
    'line 8: services.users.protocol: Invalid option: expected one of "http1"|"http2"|"grpc"|"tcp"|"auto"',
    'line 10: services.users.envoy.cluster.lb_polcy: unknown field "lb_polcy" in envoy.config.cluster.v3.Cluster (did you mean "lb_policy"?)',
    'line 10: services.users.envoy.cluster.connect_timeout: field "connect_timeout" must be a duration in seconds such as "0.25s", not "5x"',
    "line 12: services.users.routes[0].regex: missing ): (a",
    'line 13: services.pay.timout_ms: unknown field "timout_ms" (did you mean "timeout_ms"?)',
  ]);
  assert.match(problems("edge: [\n")[0]!, /^line \d: /);
});

test("loadPolicy() sees what does not go together", () => {
  const cases: [string, RegExp][] = [
    ["services: { a: { balance: { policy: maglev } } }", /balance\.policy: maglev needs balance\.hash/],
    ["services: { a: { balance: { hash: [{ header: x }] } } }", /balance\.hash: has no effect/],
    ["services: { a: { tls: {} } }", /tls: needs ca/],
    ["services: { a: { tls: { ca: c.pem, insecure: true } } }", /insecure: contradicts ca/],
    ["services: { a: { tls: { ca: c.pem, cert: c.pem } } }", /cert and key go together/],
    ["services: { a: { fault: { delay_percent: 5 } } }", /fault: says nothing/],
    ["services: { a: { rate_limit: { burst: 5 } } }", /rate_limit: needs requests/],
    ["services: { a: { mirror: { percent: 5 } } }", /mirror: needs service or version/],
    ["services: { a: { split: { v1: 0 } } }", /split: needs a version with a weight above 0/],
    ["services: { a: { retries: { statuses: [503] } } }", /statuses: has no effect/],
    ["services: { a: { port: 80 } }", /port: only services that speak tcp/],
    ["services: { a: { routes: [{ version: v1, split: { v1: 1 } }] } }", /takes one of version and split/],
    [
      "services: { a: { routes: [{ subset: { stage: x } }] } }",
      /subset: needs balance\.subsets with \[stage\]/,
    ],
    [
      "{ edge: { routes: [{ prefix: /, service: a }] }, services: { a: { callers: [b] } } }",
      /edge\.routes\[0\]\.service: service "a" does not have "edge" among its callers/,
    ],
    [
      "{ edge: { routes: [{ prefix: /a, rewrite_prefix: /, service: a }] }, services: { a: { routes: [{ regex: /b+ }] } } }",
      /edge\.routes\[0\]\.rewrite_prefix: service "a" has a route with a regex/,
    ],
    ["edge: { tcp: [{ listen: '0.0.0.0:5432', service: db }] }", /service "db" needs protocol: tcp/],
    [
      "{ edge: { listen: '127.0.0.1:80', tcp: [{ listen: '0.0.0.0:80', service: a }] }, services: { a: { protocol: tcp } } }",
      /another listener has 0\.0\.0\.0:80/,
    ],
    [
      "services: { a: { envoy: { cluster: { lb_policy: ROUND_ROBIN } } } }",
      /lb_policy: has no effect: merging/,
    ],
    [
      "services: { a: { envoy: { cluster: { connectTimeout: 0s } } } }",
      /connect_timeout: has no effect: merging/,
    ],
    ["views: [{ name: a, match: { id: x }, edge: {}, refuse: no }]", /needs one of edge, sidecar and refuse/],
    ["views: [{ name: edge, match: { id: x }, edge: {} }]", /is the name of a built-in view/],
    ["views: [{ name: a, match: {}, edge: {} }]", /needs at least one of id/],
  ];
  for (const [text, expected] of cases) assert.match(problems(text).join("\n"), expected, text);
});

test("loadPolicy() takes defaults in patches where they are not merged", () => {
  const filter = `{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors } }`;
  assert.deepEqual(
    problems(`
edge: { envoy: { http_filters: [${filter}], http_connection_manager: { normalize_path: false } } }
services:
  a: { envoy: { cluster: { health_checks: [{ always_log_health_check_failures: false, timeout: 1s }] } } }
`),
    [],
  );
});

test("loadPolicy() takes a group of a template for what a service only refines", () => {
  assert.deepEqual(
    problems(`
defaults: { balance: { policy: ring_hash, hash: [{ header: x-user }] } }
services:
  a: { balance: { hash: [{ cookie: id }] } }
  b: { balance: null, callers: [edge], timeout_ms: 100 }
`),
    [],
  );
});
