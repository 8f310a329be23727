import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import {
  hostReport,
  LAST_UPDATED,
  memoryAdminHost,
  type AdminHostControls,
} from "../../testing/memory-admin-host.ts";
import type { AdminHost } from "./admin-host.ts";
import { startAdmin } from "./start-admin.ts";

const BOOTSTRAP = `
node: {id: n1, cluster: c1}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
layered_runtime: {layers: [{name: static, static_layer: {}}, {name: admin, admin_layer: {}}]}
static_resources:
  listeners:
  - name: l1
    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
  clusters:
  - {name: backend, type: STATIC, connect_timeout: 1s}
  - name: secure
    type: STATIC
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context:
          tls_certificates: [{private_key: {inline_string: very secret}}]
`;

interface Admin {
  readonly controls: AdminHostControls;
  get(path: string): Promise<{ status: number; text: string; headers: Headers }>;
  post(path: string, body?: string): Promise<{ status: number; text: string; headers: Headers }>;
}

async function serve(t: TestContext, overrides: Partial<AdminHost> = {}, yaml = BOOTSTRAP): Promise<Admin> {
  const { host, controls } = memoryAdminHost(yaml, overrides);
  const admin = await startAdmin(host, { address: "127.0.0.1", port: 0 });
  t.after(() => admin.close());
  const call = async (
    path: string,
    init: RequestInit,
  ): Promise<{ status: number; text: string; headers: Headers }> => {
    const response = await fetch(`http://${admin.address}${path}`, init);
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  return {
    controls,
    get: (path) => call(path, {}),
    post: (path, body) => call(path, { method: "POST", body: body ?? null }),
  };
}

test("startAdmin() answers with Envoy's headers", async (t) => {
  const { get } = await serve(t);
  const { headers } = await get("/ready");
  const { date, ...others } = Object.fromEntries(headers);
  assert.ok(date);
  assert.deepEqual(others, {
    "content-type": "text/plain; charset=UTF-8",
    "cache-control": "no-cache, max-age=0",
    "x-content-type-options": "nosniff",
    server: "envoy",
    "transfer-encoding": "chunked",
  });
});

test("startAdmin() refuses unknown paths and methods", async (t) => {
  const { get } = await serve(t);
  const unknown = await get("/nope");
  assert.equal(unknown.status, 404);
  assert.ok(
    unknown.text.startsWith(
      "invalid path. admin commands are:\n  /: Admin home page\n  /allocprofiler (POST): ",
    ),
  );
  const method = await get("/quitquitquit");
  assert.equal(method.status, 405);
  assert.equal(method.text, "Method GET not allowed, POST required.");
});

test("startAdmin() keeps to admin.allow_paths", async (t) => {
  const yaml = BOOTSTRAP.replace("port_value: 0}}", "port_value: 0}}, allow_paths: [{exact: /ready}]");
  const { get } = await serve(t, {}, yaml);
  assert.equal((await get("/ready")).status, 200);
  const refused = await get("/ready?x");
  assert.equal(refused.status, 403);
  assert.equal(refused.text, "request to path /ready?x not allowed");
});

test("/help lists parameters", async (t) => {
  const { get } = await serve(t);
  const { text } = await get("/help");
  assert.ok(
    text.includes(
      "  /listeners: print listener info\n      format: File format to use; One of (text, json)\n",
    ),
  );
  assert.equal(text.split("\n").filter((line) => line.startsWith("  /")).length, 33);
});

test("/ready and /healthcheck", async (t) => {
  const { get, post, controls } = await serve(t);
  assert.equal((await get("/ready")).text, "LIVE\n");
  assert.equal((await post("/healthcheck/fail")).text, "OK\n");
  const draining = await get("/ready");
  assert.deepEqual([draining.status, draining.text], [503, "DRAINING\n"]);
  await post("/healthcheck/ok");
  assert.equal((await get("/ready")).status, 200);
  assert.deepEqual(controls.calls, ["healthcheck failed", "healthcheck ok"]);
});

test("/drain_listeners, /reopen_logs and /quitquitquit reach the server", async (t) => {
  const { post, controls } = await serve(t);
  await post("/drain_listeners?graceful&inboundonly");
  await post("/reopen_logs");
  await post("/quitquitquit");
  assert.deepEqual(controls.calls, [
    'drain {"graceful":true,"skipExit":false,"inboundOnly":true}',
    "reopen logs",
    "quit",
  ]);
});

test("/logging changes levels, or says what is wrong", async (t) => {
  const { post } = await serve(t);
  assert.match(
    (await post("/logging")).text,
    /^active loggers:\n {2}a2a: info\n[^]* {2}ip_tagging: info\n\n$/,
  );
  assert.match(
    (await post("/logging?paths=http:debug,pool:off")).text,
    /\n {2}http: debug\n[^]*\n {2}pool: off\n/,
  );
  assert.match((await post("/logging?level=error")).text, /\n {2}http: error\n/);
  const problems = {
    "level=warn": "unknown logger level",
    "zz=info": "unknown logger name",
    "paths=http": "empty logger name or empty logger level",
    "level=info&http=debug": "invalid number of parameters",
    "group=http:debug": "group parameter requires fine-grain logging to be enabled",
  };
  for (const [query, problem] of Object.entries(problems)) {
    const { status, text } = await post(`/logging?${query}`);
    assert.equal(status, 400);
    assert.ok(text.startsWith(`error: ${problem}\n\nusage: /logging?<name>=<level> (change single level)\n`));
    assert.ok(text.includes("\nlevels: trace debug info warning error critical off \nactive loggers:\n"));
  }
});

test("/runtime and /runtime_modify", async (t) => {
  const { get, post } = await serve(t);
  assert.equal((await post("/runtime_modify?foo.bar=7")).text, "OK\n");
  assert.equal((await post("/runtime_modify", "a%20b=c+d")).text, "OK\n");
  const json = JSON.parse((await get("/runtime")).text) as unknown;
  assert.deepEqual(json, {
    entries: {
      "a b": { final_value: "c+d", layer_values: ["", "c+d"] },
      "foo.bar": { final_value: "7", layer_values: ["1", "7"] },
      "some.text": { final_value: "hello", layer_values: ["hello", ""] },
    },
    layers: ["static", "admin"],
  });
  const usage = await post("/runtime_modify");
  assert.equal(usage.status, 400);
  assert.ok(usage.text.startsWith("usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"));
});

test("/runtime_modify needs an admin layer", async (t) => {
  const { post } = await serve(t, {}, "node: {id: a, cluster: b}");
  const { status, text } = await post("/runtime_modify?a=b");
  assert.deepEqual([status, text], [503, "No admin layer specified"]);
});

test("/stats prints and filters", async (t) => {
  const { get, post, controls } = await serve(t);
  controls.store.counter("cluster.backend.upstream_rq_total").add(4);
  controls.store.counter("cluster.backend.upstream_rq_timeout");
  controls.store.gauge("server.live").set(1);
  controls.store.histogram("cluster.backend.upstream_rq_time");
  controls.store.flush();
  controls.texts.set("cluster_manager.cds.version_text", "7");
  assert.equal(
    (await get("/stats")).text,
    'cluster_manager.cds.version_text: "7"\ncluster.backend.upstream_rq_timeout: 0\n' +
      "cluster.backend.upstream_rq_total: 4\nserver.live: 1\ncluster.backend.upstream_rq_time: No recorded values\n",
  );
  assert.equal((await get("/stats?usedonly&filter=rq_t")).text, "cluster.backend.upstream_rq_total: 4\n");
  assert.equal((await get("/stats?filter=cluster&invert_filter")).text, "server.live: 1\n");
  assert.equal(
    (await get("/stats?type=Gauges&format=json")).text,
    '{"stats":[{"name":"server.live","value":1}]}',
  );
  assert.equal((await get("/stats?filter=zzz&format=json")).text, '{"stats":[]}');
  assert.match((await get("/stats?format=html")).text, /<pre>\n[^]*server\.live: 1\n/);
  await post("/reset_counters");
  assert.equal((await get("/stats?filter=rq_total")).text, "cluster.backend.upstream_rq_total: 0\n");
});

test("/stats refuses what Envoy refuses", async (t) => {
  const { get } = await serve(t);
  const refused = {
    "/stats?filter=(": "Invalid re2 regex: missing ): (",
    "/stats?type=foo": "invalid &type= param",
    "/stats?format=foo": "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n",
    "/stats?histogram_buckets=foo":
      "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n",
    "/stats?histogram_buckets=prometheusnative":
      "Invalid histogram_buckets type for non prometheus stats type",
    "/stats/prometheus?histogram_buckets=detailed": "unsupported prometheus histogram bucket mode",
  };
  for (const [path, text] of Object.entries(refused)) {
    const answer = await get(path);
    assert.deepEqual([answer.status, answer.text], [400, text]);
  }
});

test("/stats shows what histograms saw in the last flush interval", async (t) => {
  const yaml = `${BOOTSTRAP}\nstats_flush_interval: 0.05s`;
  const { get, controls } = await serve(t, {}, yaml);
  controls.store.histogram("h").record(5);
  controls.store.flush();
  assert.match((await get("/stats")).text, /^h: P0\(nan,5\.05\)/);
  const seen: string[] = [];
  for (const deadline = Date.now() + 1500; Date.now() < deadline && seen.length < 3;) {
    const interval = /^h: P0\((.*?),/.exec((await get("/stats")).text)![1]!;
    if (interval !== seen.at(-1)) seen.push(interval);
  }
  assert.deepEqual(seen, ["nan", "5.05", "nan"]);
});

test("/stats/prometheus prints families", async (t) => {
  const { get, controls } = await serve(t, { statsTags: () => [{ name: "zone", value: "a" }] });
  controls.store.counter("cluster.backend.upstream_rq_200").add(4);
  controls.store.flush();
  controls.texts.set("cluster.backend.version_text", "7");
  const line =
    'envoy_cluster_upstream_rq{zone="a",envoy_response_code="200",envoy_cluster_name="backend"} 4\n';
  assert.equal((await get("/stats/prometheus")).text, `# TYPE envoy_cluster_upstream_rq counter\n${line}`);
  assert.ok((await get("/stats?format=prometheus")).text.endsWith(line));
  const texts = (await get("/stats/prometheus?text_readouts")).text;
  assert.ok(texts.endsWith('{zone="a",envoy_cluster_name="backend",text_value="7"} 0\n'));
});

test("/clusters prints limits and hosts", async (t) => {
  const cluster = memoryAdminHost(BOOTSTRAP).host.clusters()[0]!;
  const hosts = [
    hostReport("127.0.0.1:80", { cxTotal: 1, rqTotal: 4, rqSuccess: 4 }),
    hostReport("[::1]:81", {
      health: "draining",
      failed: 3,
      priority: 1,
      region: "r",
      hostname: "h",
      weight: 7,
    }),
  ];
  const { get } = await serve(t, { clusters: () => [{ ...cluster, hosts }] });
  const { text } = await get("/clusters");
  const lines = text.split("\n");
  assert.deepEqual(lines.slice(0, 13), [
    "backend::observability_name::backend",
    ...["default", "high"].flatMap((priority) =>
      ["max_connections::1024", "max_pending_requests::1024", "max_requests::1024", "max_retries::3"].map(
        (limit) => `backend::${priority}_priority::${limit}`,
      ),
    ),
    "backend::added_via_api::false",
    "backend::127.0.0.1:80::cx_active::0",
    "backend::127.0.0.1:80::cx_connect_fail::0",
    "backend::127.0.0.1:80::cx_total::1",
  ]);
  assert.ok(
    lines.includes(
      "backend::[::1]:81::health_flags::/failed_active_hc/failed_outlier_check/eds_status_draining",
    ),
  );
  assert.ok(
    text.endsWith(
      "priority::1\nbackend::[::1]:81::success_rate::-1\nbackend::[::1]:81::local_origin_success_rate::-1\n",
    ),
  );
  const json = JSON.parse((await get("/clusters?format=json")).text) as {
    cluster_statuses: { host_statuses: unknown[] }[];
  };
  assert.deepEqual(json.cluster_statuses[0]!.host_statuses[1], {
    address: { socket_address: { address: "::1", port_value: 81 } },
    stats: [
      ...["cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total"].map((name) => ({
        name,
      })),
      ...["cx_active", "rq_active", "rq_pending_active"].map((name) => ({ type: "GAUGE", name })),
    ],
    health_status: {
      failed_active_health_check: true,
      failed_outlier_check: true,
      eds_health_status: "DRAINING",
    },
    weight: 7,
    hostname: "h",
    priority: 1,
    locality: { region: "r" },
  });
  assert.equal((await get("/clusters?filter=xy")).text, "");
  assert.equal((await get("/clusters?filter=(")).text, "Invalid re2 regex");
});

test("/listeners", async (t) => {
  const { get } = await serve(t);
  assert.equal((await get("/listeners")).text, "l1::127.0.0.1:10000\n");
  assert.deepEqual(JSON.parse((await get("/listeners?format=json")).text), {
    listener_statuses: [
      { name: "l1", local_address: { socket_address: { address: "127.0.0.1", port_value: 10000 } } },
    ],
  });
});

test("/config_dump prints all parts, secrets redacted", async (t) => {
  const { get } = await serve(t);
  const { text } = await get("/config_dump?include_eds");
  const dump = JSON.parse(text) as { configs: Record<string, unknown>[] };
  assert.equal(text, `${JSON.stringify(dump, undefined, 1)}\n`);
  assert.deepEqual(
    dump.configs.map((config) => config["@type"]),
    ["Bootstrap", "Clusters", "Endpoints", "Listeners", "ScopedRoutes", "Routes", "Secrets"].map(
      (name) => `type.googleapis.com/envoy.admin.v3.${name}ConfigDump`,
    ),
  );
  assert.ok(!text.includes("very secret"));
  assert.equal(text.split('"inline_string": "[redacted]"').length, 3);
});

test("/config_dump shows versions and errors of what xDS delivered", async (t) => {
  const { host } = memoryAdminHost(BOOTSTRAP);
  const status = { ...host.listenerResources()[0]!, dynamic: true, version: "7" };
  const error = { details: "no such filter", at: LAST_UPDATED, version: "8" };
  const { get } = await serve(t, {
    listenerResources: () => [{ ...status, error }],
    typeVersion: (type) => (type === "listeners" ? "8" : ""),
  });
  const { configs } = JSON.parse((await get("/config_dump?mask=version_info,dynamic_listeners")).text) as {
    configs: unknown[];
  };
  assert.deepEqual(configs, [
    {
      "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
      version_info: "8",
      dynamic_listeners: [
        {
          name: "l1",
          active_state: {
            version_info: "7",
            listener: {
              "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
              name: "l1",
              address: { socket_address: { address: "127.0.0.1", port_value: 10000 } },
            },
            last_updated: "2026-01-02T03:04:05.678Z",
          },
          error_state: {
            last_update_attempt: "2026-01-02T03:04:05.678Z",
            details: "no such filter",
            version_info: "8",
          },
        },
      ],
    },
  ]);
});

test("/config_dump takes resource, mask and name_regex", async (t) => {
  const { get } = await serve(t);
  const json = async (query: string): Promise<unknown> =>
    JSON.parse((await get(`/config_dump?${query}`)).text);
  const picked = {
    "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
    cluster: { "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", name: "backend" },
  };
  assert.deepEqual(await json("resource=static_clusters&mask=cluster.name&name_regex=back.*"), {
    configs: [picked],
  });
  assert.deepEqual(await json("resource=static_clusters&name_regex=back"), {});
  assert.deepEqual(await json("resource=dynamic_active_clusters"), {});
  assert.deepEqual(await json("mask=bootstrap.node.id"), {
    configs: [
      {
        "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
        bootstrap: { node: { id: "n1" } },
      },
    ],
  });
  const refused: Record<string, [number, string]> = {
    "resource=nope": [404, "nope not found in config dump"],
    "resource=static_endpoint_configs": [404, "static_endpoint_configs not found in config dump"],
    "resource=bootstrap": [
      400,
      "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field",
    ],
    "mask=static_clusters.cluster": [
      400,
      "FieldMask static_clusters.cluster could not be successfully applied to any configs.",
    ],
    "resource=static_clusters&mask=cluster": [
      400,
      'FieldMask paths: "cluster"\n could not be successfully used.',
    ],
    "name_regex=(": [400, "INVALID_ARGUMENT: Error while parsing name_regex from (: missing ): ("],
  };
  for (const [query, expected] of Object.entries(refused)) {
    const { status, text } = await get(`/config_dump?${query}`);
    assert.deepEqual([status, text], expected);
  }
});

test("/server_info has defaults filled in", async (t) => {
  const { get } = await serve(t);
  const info = JSON.parse((await get("/server_info")).text) as Record<string, unknown>;
  assert.deepEqual(Object.keys(info).slice(0, 7), [
    "version",
    "state",
    "uptime_current_epoch",
    "uptime_all_epochs",
    "hot_restart_version",
    "command_line_options",
    "node",
  ]);
  assert.equal(info["state"], "LIVE");
  assert.equal(info["uptime_current_epoch"], "9s");
  assert.equal((info["command_line_options"] as Record<string, unknown>)["drain_strategy"], "Gradual");
});

test("Small endpoints answer", async (t) => {
  const targets = [{ name: "init manager Server", targets: ["target cluster a"] }];
  const { get, post } = await serve(t, { initTargets: () => targets });
  assert.equal((await get("/certs")).text, '{\n "certificates": []\n}\n');
  assert.equal((await get("/hot_restart_version")).text, "11.104");
  assert.deepEqual(JSON.parse((await get("/init_dump")).text), {
    unready_targets_dumps: [{ name: "init manager Server", target_names: ["target cluster a"] }],
  });
  const { allocated } = JSON.parse((await get("/memory")).text) as { allocated: string };
  assert.ok(Number(allocated) > 0);
  assert.equal((await post("/cpuprofiler")).text, "?enable=<y|n>\n");
  assert.equal((await post("/cpuprofiler?enable=n")).text, "OK\n");
  const page = await get("/");
  assert.equal(page.headers.get("content-type"), "text/html; charset=UTF-8");
  assert.ok(page.text.includes("<a href='ready'>ready</a>"));
});
