import assert from "node:assert/strict";
import { request as tlsRequest } from "node:https";
import { CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST } from "../../src/control/xds/resource-type.ts";
import { makeCertificate } from "../../src/testing/certs.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { startProxy, type RunningProxy } from "../../src/testing/start-proxy.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";
import { get, Load, startNamed } from "./control-mesh.ts";
import { XdsContent } from "./xds-content.ts";

// Real Envoy takes every type of resource from the xDS server, in both protocols.

const LISTENER = "envoy.config.listener.v3.Listener";
const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";
const SCOPE = "envoy.config.route.v3.ScopedRouteConfiguration";
const EXTENSION = "envoy.config.core.v3.TypedExtensionConfig";
const RUNTIME = "envoy.service.runtime.v3.Runtime";

const ads = { ads: {}, resource_api_version: "V3" };
const typed = (type: string, fields: object = {}) => ({ "@type": `type.googleapis.com/${type}`, ...fields });

/** A stream of its own for one type. */
const ownStream = (apiType: string) => ({
  resource_api_version: "V3",
  api_config_source: {
    api_type: apiType,
    transport_api_version: "V3",
    grpc_services: [{ envoy_grpc: { cluster_name: "xds" } }],
  },
});

function bootstrap(port: number, apiType: string, more: object = {}): object {
  return {
    node: { id: "envoy-1", cluster: "test" },
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    dynamic_resources: {
      ads_config: ownStream(apiType).api_config_source,
      cds_config: ads,
      lds_config: ads,
    },
    layered_runtime: {
      layers: [{ name: "live", rtds_layer: { name: "flags", rtds_config: ads } }],
    },
    static_resources: {
      clusters: [
        {
          name: "xds",
          connect_timeout: "1s",
          load_assignment: assignment("xds", port),
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
              "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              { explicit_http_config: { http2_protocol_options: {} } },
            ),
          },
        },
      ],
    },
    ...more,
  };
}

function assignment(name: string, port: number): object {
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}

const edsCluster = (name: string, more: object = {}) => ({
  name,
  type: "EDS",
  connect_timeout: "1s",
  eds_cluster_config: { eds_config: ads },
  ...more,
});

const router = {
  name: "envoy.filters.http.router",
  typed_config: typed("envoy.extensions.filters.http.router.v3.Router"),
};

function listener(name: string, manager: object, filters: object[] = [], chain: object = {}): object {
  const config = typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", {
    stat_prefix: name,
    http_filters: [...filters, router],
    ...manager,
  });
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [
      {
        filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: config }],
        ...chain,
      },
    ],
  };
}

const host = (name: string, domains: string[], cluster: string) => ({
  name,
  domains,
  routes: [{ match: { prefix: "/" }, route: { cluster } }],
});

const rds = (name: string) => ({ rds: { route_config_name: name, config_source: ads } });

const headerFilter = (value: string) =>
  typed("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", {
    mutations: {
      response_mutations: [{ append: { header: { key: "x-extension", value } } }],
    },
  });

async function boundPort(envoy: RunningProxy, name: string): Promise<number> {
  return waitUntil(`listener ${name} is bound`, async () => {
    const { listener_statuses: all } = (await (
      await fetch(`${envoy.admin}/listeners?format=json`)
    ).json()) as {
      listener_statuses?: { name: string; local_address: { socket_address: { port_value: number } } }[];
    };
    return all?.find((each) => each.name === name)?.local_address.socket_address.port_value;
  });
}

async function runtimeValue(envoy: RunningProxy, key: string): Promise<string | undefined> {
  const { entries } = (await (await fetch(`${envoy.admin}/runtime`)).json()) as {
    entries: Record<string, { final_value: string }>;
  };
  return entries[key]?.final_value;
}

async function getTls(port: number, ca: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const asked = tlsRequest(
    { host: "127.0.0.1", port, ca, servername: "localhost", agent: false },
    (response) => {
      response.resume();
      resolve(String(response.statusCode));
    },
  );
  asked.on("error", (error) => resolve(error.message)).end();
  return promise;
}

for (const apiType of ["GRPC", "DELTA_GRPC"]) {
  peerTest(`Envoy takes all types over ADS, ${apiType}`, ["envoy"], async (context) => {
    const [one, two] = [await startNamed(context, "one"), await startNamed(context, "two")];
    const ca = makeCertificate({ name: "ca", ca: true });
    const secret = (issuer = ca) => {
      const { cert, key } = makeCertificate({ name: "s", names: ["DNS:localhost"], issuer });
      return {
        name: "server",
        tls_certificate: { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
      };
    };
    const content = new XdsContent()
      .set(CLUSTER, "a", edsCluster("a"))
      .set(ENDPOINT, "a", assignment("a", one))
      .set(SECRET, "server", secret())
      .set(
        LISTENER,
        "plain",
        listener("plain", rds("routes"), [
          {
            name: "extension",
            config_discovery: {
              config_source: ads,
              type_urls: [
                "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
              ],
            },
          },
          {
            name: "envoy.filters.http.on_demand",
            typed_config: typed("envoy.extensions.filters.http.on_demand.v3.OnDemand"),
          },
        ]),
      )
      .set(
        LISTENER,
        "tls",
        listener("tls", rds("routes"), [], {
          transport_socket: {
            name: "envoy.transport_sockets.tls",
            typed_config: typed("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", {
              common_tls_context: {
                tls_certificate_sds_secret_configs: [{ name: "server", sds_config: ads }],
              },
            }),
          },
        }),
      )
      .set(
        LISTENER,
        "scoped",
        listener("scoped", {
          scoped_routes: {
            name: "scopes",
            scope_key_builder: {
              fragments: [{ header_value_extractor: { name: "host", element_separator: "", index: 0 } }],
            },
            rds_config_source: ads,
            scoped_rds: { scoped_rds_config_source: ads },
          },
        }),
      )
      .set(ROUTE, "routes", {
        name: "routes",
        virtual_hosts: [host("main", ["main.test"], "a")],
        vhds: { config_source: ownStream("DELTA_GRPC") },
      })
      .set(ROUTE, "one-scope", { name: "one-scope", virtual_hosts: [host("all", ["*"], "a")] })
      .set(SCOPE, "scope-1", {
        name: "scope-1",
        route_configuration_name: "one-scope",
        key: { fragments: [{ string_key: "scope.test" }] },
      })
      .set(VIRTUAL_HOST, "routes/asked", host("asked", ["asked.test"], "a"), {
        aliases: ["routes/asked.test"],
      })
      .set(EXTENSION, "extension", { name: "extension", typed_config: headerFilter("1") })
      .set(RUNTIME, "flags", { name: "flags", layer: { "my.flag": "blue" } });
    content.publish();
    const envoy = await startProxy("envoy", bootstrap(await content.serve(context), apiType));
    context.after(() => envoy.stop());
    const plain = await boundPort(envoy, "plain");
    const tls = await boundPort(envoy, "tls");
    const scoped = await boundPort(envoy, "scoped");

    assert.equal(await get(plain, "/", "main.test"), "200 one", "CDS, EDS, LDS, RDS");
    assert.equal(await get(plain, "/", "asked.test"), "200 one", "VHDS on demand");
    assert.equal(
      await get(plain, "/", "nobody.test"),
      "404",
      "a virtual host that is not there is told at once",
    );
    assert.equal(await getTls(tls, ca.cert), "404", "SDS");
    assert.equal(await get(scoped, "/", "scope.test"), "200 one", "SRDS");
    assert.equal(await get(scoped, "/", "other.test"), "404");
    assert.equal(await runtimeValue(envoy, "my.flag"), "blue", "RTDS");
    const extension = async () =>
      (await fetch(`http://127.0.0.1:${plain}/`, { headers: { host: "main.test" } })).headers.get(
        "x-extension",
      );
    assert.equal(await extension(), "1", "ECDS");

    const other = makeCertificate({ name: "other-ca", ca: true });
    content
      .set(ENDPOINT, "a", assignment("a", two))
      .set(SECRET, "server", secret(other))
      .set(EXTENSION, "extension", { name: "extension", typed_config: headerFilter("2") })
      .set(RUNTIME, "flags", { name: "flags", layer: { "my.flag": "green" } })
      .set(VIRTUAL_HOST, "routes/asked", host("asked", ["asked.test", "also.test"], "a"), {
        aliases: ["routes/asked.test"],
      });
    content.publish();
    await waitUntil("endpoints follow", async () => (await get(plain, "/", "main.test")) === "200 two");
    await waitUntil("the secret follows", async () => (await getTls(tls, other.cert)) === "404");
    await waitUntil("the extension follows", async () => (await extension()) === "2");
    await waitUntil("the runtime follows", async () => (await runtimeValue(envoy, "my.flag")) === "green");
    await waitUntil(
      "the virtual host follows",
      async () => (await get(plain, "/", "also.test")) === "200 two",
    );
    for (const session of content.server.sessions)
      for (const { type, state, error } of session.status) assert.equal(state, "synced", `${type}: ${error}`);
  });

  peerTest(
    `Envoy rejects a cluster again and again: no request is lost, ${apiType}`,
    ["envoy"],
    async (context) => {
      const [one, two] = [await startNamed(context, "one"), await startNamed(context, "two")];
      const routes = (cluster: string) => ({ name: "routes", virtual_hosts: [host("all", ["*"], cluster)] });
      const content = new XdsContent()
        .set(CLUSTER, "a", edsCluster("a"))
        .set(ENDPOINT, "a", assignment("a", one))
        .set(LISTENER, "plain", listener("plain", rds("routes")))
        .set(ROUTE, "routes", routes("a"))
        .set(RUNTIME, "flags", { name: "flags", layer: {} });
      content.publish();
      const port = await content.serve(context);
      const envoy = await startProxy("envoy", bootstrap(port, apiType));
      context.after(() => envoy.stop());
      const plain = await boundPort(envoy, "plain");
      const load = new Load(plain, "/");
      context.after(() => load.stop());
      for (let i = 0; i < 5; i++) {
        // Each time other content that Envoy refuses, and good changes beside it.
        content.set(CLUSTER, "bad", edsCluster("bad", { eds_cluster_config: {}, alt_stat_name: `v${i}` }));
        content
          .set(CLUSTER, `c${i}`, edsCluster(`c${i}`))
          .set(ENDPOINT, `c${i}`, assignment(`c${i}`, i % 2 ? one : two));
        content.set(ROUTE, "routes", routes(`c${i}`));
        if (i > 0) content.remove(CLUSTER, `c${i - 1}`).remove(ENDPOINT, `c${i - 1}`);
        content.publish();
        await waitUntil(
          `round ${i} is taken`,
          async () => (await get(plain, "/")) === `200 ${i % 2 ? "one" : "two"}`,
        );
        assert.equal(content.state(CLUSTER), "nacked");
      }
      assert.equal(content.log.filter((line) => line.includes("rejects")).length, 5, "each refused once");
      // Killed in the middle of a large push, it comes back with newer content still.
      for (let i = 0; i < 300; i++) {
        content.set(CLUSTER, `x${i}`, edsCluster(`x${i}`)).set(ENDPOINT, `x${i}`, assignment(`x${i}`, one));
      }
      content.publish();
      content.server.grpc.close();
      content.set(CLUSTER, "bad", edsCluster("bad")).set(ENDPOINT, "bad", assignment("bad", two));
      content.set(ROUTE, "routes", routes("bad"));
      content.publish();
      await content.serve(context, port);
      await waitUntil(
        "it has all",
        () => content.state(CLUSTER) === "synced" && content.state(ROUTE) === "synced",
        20_000,
      );
      await waitUntil("the cluster that was bad serves", async () => (await get(plain, "/")) === "200 two");
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.ok(load.total > 100, `only ${load.total} requests`);
    },
  );
}

peerTest("Envoy asks for a cluster at its first request (on-demand CDS)", ["envoy"], async (context) => {
  const one = await startNamed(context, "one");
  const content = new XdsContent().set(CLUSTER, "late", {
    name: "late",
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: assignment("late", one),
  });
  content.publish();
  const port = await content.serve(context);
  const onDemand = typed("envoy.extensions.filters.http.on_demand.v3.OnDemand", {
    odcds: { source: ownStream("DELTA_GRPC"), timeout: "5s" },
  });
  const routes = {
    name: "inline",
    virtual_hosts: [
      {
        name: "all",
        domains: ["*"],
        routes: [{ match: { prefix: "/" }, route: { cluster_header: "host" } }],
      },
    ],
  };
  const plain = listener("plain", { route_config: routes }, [
    { name: "envoy.filters.http.on_demand", typed_config: onDemand },
  ]);
  const { static_resources: fixed, ...rest } = bootstrap(port, "DELTA_GRPC") as { static_resources: object };
  const envoy = await startProxy("envoy", {
    ...rest,
    dynamic_resources: {},
    layered_runtime: {},
    static_resources: { ...fixed, listeners: [plain] },
  });
  context.after(() => envoy.stop());
  const listening = await boundPort(envoy, "plain");
  assert.equal(await get(listening, "/", "late"), "200 one");
  const started = performance.now();
  assert.equal(await get(listening, "/", "unknown"), "503");
  assert.ok(performance.now() - started < 4000, "told at once, not after the timeout");
});
