import assert from "node:assert/strict";
import { checkPolicy } from "../../src/control/policy/check-policy.ts";
import { loadPolicy } from "../../src/control/policy/load-policy.ts";
import { policyCatalog } from "../../src/control/policy/policy-catalog.ts";
import { sampleNodes } from "../../src/control/policy/sample-nodes.ts";
import { resourceJson, ViewResources } from "../../src/control/policy/view-resources.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { validateBootstrap } from "../../src/testing/start-proxy.ts";

// What weft control check says of a policy is what Envoy says of what the policy makes.

const good = [
  "edge: {}",
  `
edge: { listen: "127.0.0.1:0", routes: [{ prefix: /u, service: users, rewrite_prefix: / }] }
services:
  users: { split: { v1: 1, v2: 3 }, health_check: { path: /ok }, outlier: {}, limits: { requests: 7 } }
`,
  `
edge:
  listen: 127.0.0.1:0
  hosts: { suffixes: [mesh] }
  routes: [{ prefix: /u, service: users, fault: { delay_ms: 1 }, rate_limit: { requests: 1 } }]
services:
  users: { envoy: { cluster: { max_requests_per_connection: 5 }, virtual_host: { include_request_attempt_count: true } } }
`,
];

const bad: [string, RegExp][] = [
  [
    `
edge: { listen: "127.0.0.1:0", routes: [{ prefix: /u, service: users }] }
services:
  users:
    envoy:
      cluster: { dns_refresh_rate: 0.0000001s }
`,
    /^6 services\.users\.envoy\.cluster makes a Cluster "users" that Envoy refuses: dns_refresh_rate: /,
  ],
  [
    `
edge: { listen: "127.0.0.1:0", routes: [{ prefix: /u, service: users }] }
services:
  users:
    envoy: { route: { request_headers_to_remove: [""] } }
`,
    /^5 services\.users\.envoy\.route makes a RouteConfiguration "edge" that Envoy refuses: .*request_headers_to_remove/,
  ],
  [
    `
edge: { listen: "127.0.0.1:0", hosts: {} }
services:
  users:
    envoy: { virtual_host: { request_headers_to_add: [{ header: { value: x } }] } }
`,
    /^5 services\.users\.envoy\.virtual_host makes a RouteConfiguration .* that Envoy refuses: .*key/,
  ],
  [
    `
edge:
  listen: 127.0.0.1:0
  envoy: { http_filters: [{ name: "" }] }
`,
    /^4 edge\.envoy makes a Listener "edge" that Envoy refuses: .*http_filters\[1\]\.name/,
  ],
];

/** Everything that the edge view of a policy has, as a bootstrap with nothing dynamic. */
function edgeBootstrap(text: string): object {
  const policy = loadPolicy(text, "mesh.yaml");
  const catalog = policyCatalog(policy);
  const node = sampleNodes(policy, catalog).find(({ weft }) => weft["view"] === "edge")!;
  const served = new ViewResources(catalog, policy).of(node);
  assert.ok("resources" in served);
  const of = (kind: string) =>
    served.resources.filter(({ type }) => type.endsWith(`.${kind}`)).map(resourceJson);
  const [routes] = of("RouteConfiguration");
  const listeners = JSON.parse(JSON.stringify(of("Listener")), (_key, value: Record<string, unknown>) => {
    if (typeof value !== "object" || value === null || !("rds" in value)) return value;
    const { rds: _, ...rest } = value;
    return { ...rest, route_config: routes };
  }) as object[];
  return {
    node: { id: "check", cluster: "check" },
    dynamic_resources: {
      ads_config: { api_type: "GRPC", grpc_services: [{ envoy_grpc: { cluster_name: "ads" } }] },
    },
    static_resources: { listeners, clusters: [...of("Cluster"), { name: "ads", type: "STATIC" }] },
  };
}

peerTest("weft control check and envoy --mode validate agree", ["envoy"], async () => {
  for (const text of good) {
    const { problems, resources } = checkPolicy(text);
    assert.deepEqual(problems, [], text);
    assert.ok(resources > 0);
    const { code, output } = await validateBootstrap("envoy", edgeBootstrap(text));
    assert.equal(code, 0, `${text}\n${output}`);
  }
  for (const [text, expected] of bad) {
    const [problem] = checkPolicy(text).problems;
    assert.match(`${problem?.line} ${problem?.field} ${problem?.message}`, expected, text);
    const { code, output } = await validateBootstrap("envoy", edgeBootstrap(text));
    assert.notEqual(code, 0, text);
    assert.match(output, /validation failed|Expected positive duration|embedded message failed/i, text);
  }
});
