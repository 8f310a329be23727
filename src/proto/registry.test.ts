import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  configTypeName,
  create,
  decode,
  encode,
  findSchema,
  fromJson,
  packAny,
  packNew,
  schema,
  toJson,
  unpackAny,
  unpackAs,
} from "./registry.ts";

test("create(), encode() and decode() keep a nested message", () => {
  const route = create("envoy.config.route.v3.Route", {
    match: { pathSpecifier: { case: "prefix", value: "/" } },
    action: {
      case: "route",
      value: {
        clusterSpecifier: { case: "cluster", value: "users" },
        timeout: { seconds: 3n },
        maxGrpcTimeout: {},
      },
    },
  });
  const back = decode("envoy.config.route.v3.Route", encode("envoy.config.route.v3.Route", route));
  assert.equal(back.match?.pathSpecifier.value, "/");
  assert.equal(back.action.case, "route");
  assert.equal(back.action.value?.timeout?.seconds, 3n);
});

test("toJson() prints proto field names and expands Any", () => {
  const json = {
    name: "l",
    filter_chains: [
      {
        filters: [
          {
            name: "hcm",
            typed_config: {
              "@type":
                "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
              stat_prefix: "x",
              stream_idle_timeout: "1.500s",
            },
          },
        ],
      },
    ],
    per_connection_buffer_limit_bytes: 5,
  };
  assert.deepEqual(
    toJson("envoy.config.listener.v3.Listener", fromJson("envoy.config.listener.v3.Listener", json)),
    json,
  );
});

test("unpackAs() opens the type, refuses others, and converts typed structs", () => {
  const name = "envoy.extensions.filters.http.router.v3.Router";
  const any = packAny(name, create(name, { suppressEnvoyHeaders: true }));
  assert.equal(unpackAs(any, name).suppressEnvoyHeaders, true);
  assert.equal(unpackAny(any)?.typeName, name);
  assert.throws(
    () => unpackAs(any, "envoy.config.core.v3.Node"),
    /Unable to unpack as envoy\.config\.core\.v3\.Node/,
  );
  assert.equal(unpackAny({ ...any, typeUrl: "type.googleapis.com/foo.Bar" }), undefined);
  for (const wrapper of ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"] as const) {
    const typed = packNew(wrapper, {
      typeUrl: `type.googleapis.com/${name}`,
      value: { suppress_envoy_headers: true },
    });
    assert.equal(configTypeName(typed), name);
    assert.equal(unpackAs(typed, name).suppressEnvoyHeaders, true);
    assert.throws(() => unpackAs(typed, "envoy.config.core.v3.Node"), /the message is a envoy\.extensions/);
  }
});

test("schema() finds services' messages and extension configs", () => {
  assert.equal(
    schema("envoy.service.discovery.v3.DiscoveryRequest").typeName.endsWith("DiscoveryRequest"),
    true,
  );
  for (const name of [
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
    "envoy.service.discovery.v3.DeltaDiscoveryResponse",
    "envoy.service.auth.v3.CheckRequest",
    "envoy.admin.v3.ConfigDump",
    "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest",
    "grpc.health.v1.HealthCheckRequest",
  ])
    assert.equal(findSchema(name)?.typeName, name);
  assert.equal(findSchema("foo.Bar"), undefined);
});

test("registry() works in a worker thread", async () => {
  const code = `import { create } from ${JSON.stringify(import.meta.resolve("./registry.ts"))};
    import { parentPort } from "node:worker_threads";
    parentPort.postMessage(create("envoy.config.core.v3.Node", { id: "w" }).id);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const answer = await new Promise((resolve, reject) =>
    worker.once("message", resolve).once("error", reject),
  );
  assert.equal(answer, "w");
  await worker.terminate();
});
