import assert from "node:assert/strict";
import http from "node:http";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { fromJson, packAny, type MessageName } from "../proto/registry.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { waitUntil } from "../testing/wait-until.ts";
import { endpoints, listener, routesTo, staticCluster } from "../testing/proxy-config.ts";
import { ScriptedAdsServer } from "../testing/scripted-ads-server.ts";
import { XDS_TYPES } from "../xds/types.ts";
import { defaultOptions } from "./options.ts";
import { startProxy, type ProxyServer } from "./server.ts";

const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/** Real Envoy must be told that the server speaks HTTP/2. */
const HTTP2 = {
  "@type": `type.googleapis.com/${HTTP_OPTIONS}`,
  explicit_http_config: {
    http2_protocol_options: { connection_keepalive: { interval: "30s", timeout: "5s" } },
  },
};
const ADS = { resource_api_version: "V3", ads: {} };

function pack<N extends MessageName>(name: N, json: object) {
  return packAny(name, fromJson(name, json as never));
}

const edsCluster = (name: string) =>
  pack("envoy.config.cluster.v3.Cluster", {
    name,
    type: "EDS",
    connect_timeout: "1s",
    eds_cluster_config: { eds_config: ADS },
  });
const assignment = (name: string, port: number) =>
  pack("envoy.config.endpoint.v3.ClusterLoadAssignment", endpoints(name, port));
const rdsListener = (name: string) =>
  pack(
    "envoy.config.listener.v3.Listener",
    listener(name, { rds: { config_source: ADS, route_config_name: "r" } }),
  );
const routes = (cluster: string) => pack("envoy.config.route.v3.RouteConfiguration", routesTo(cluster));

/** @param dynamic dynamic_resources; all over ADS by default */
function begin(port: number, dynamic?: object): Promise<ProxyServer> {
  const directory = tempDir("ads");
  const config = {
    node: { id: "n", cluster: "c" },
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: {
      clusters: [
        { ...staticCluster("xds", port), typed_extension_protocol_options: { [HTTP_OPTIONS]: HTTP2 } },
      ],
    },
    dynamic_resources: dynamic ?? {
      cds_config: ADS,
      lds_config: ADS,
      ads_config: {
        api_type: "GRPC",
        transport_api_version: "V3",
        grpc_services: [{ envoy_grpc: { cluster_name: "xds" } }],
      },
    },
  };
  const options = { ...defaultOptions(), concurrency: 1, drainTime: 100, logPath: join(directory, "log") };
  return startProxy({ ...options, configYaml: JSON.stringify(config) });
}

async function upstream(t: TestContext, text: string): Promise<number> {
  const server = http.createServer((_request, response) => response.end(text));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function get(address: string, path = "/"): Promise<string> {
  const response = await fetch(`http://${address}${path}`, { headers: { connection: "close" } });
  return `${response.status} ${await response.text()}`;
}

function refused(address: string): Promise<boolean> {
  const [host, port] = address.split(":") as [string, string];
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.on("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.on("error", () => resolve(true));
  });
}

test("startProxy() asks for clusters, endpoints, listeners, routes in this order and serves", async (t) => {
  const ads = await ScriptedAdsServer.start(t);
  const [one, two] = [await upstream(t, "one"), await upstream(t, "two")];
  const starting = begin(ads.port);
  const expect = async (kind: keyof typeof XDS_TYPES, version: string, names: string[] = []) => {
    const request = await ads.next();
    assert.deepEqual(
      [request.typeUrl, request.versionInfo, request.resourceNames, request.errorDetail?.message],
      [XDS_TYPES[kind].typeUrl, version, names, undefined],
    );
  };
  await expect("cds", "");
  ads.send("cds", "c1", "1", [edsCluster("up")]);
  await expect("eds", "", ["up"]);
  await expect("cds", "c1");
  ads.send("eds", "e1", "2", [assignment("up", one)]);
  // Listeners are asked for once the clusters are warm, which they are by this assignment.
  const [first, second] = [await ads.next(), await ads.next()];
  assert.deepEqual(
    [first.typeUrl, second.typeUrl].sort(),
    [XDS_TYPES.eds.typeUrl, XDS_TYPES.lds.typeUrl].sort(),
  );
  ads.send("lds", "l1", "3", [rdsListener("in")]);
  await expect("rds", "", ["r"]);
  await expect("lds", "l1");
  ads.send("rds", "r1", "4", [routes("up")]);
  await expect("rds", "r1", ["r"]);
  const server = await starting;
  t.after(() => server.close());
  const { address } = server.listeners()[0]!;
  assert.equal(await get(address), "200 one");

  // New endpoints are used without a break.
  ads.send("eds", "e2", "5", [assignment("up", two)]);
  await expect("eds", "e2", ["up"]);
  await waitUntil("it came true", async () => (await get(address)) === "200 two");

  // A bad listener is refused with its name; its good sibling and the old ones work.
  const bad = pack(
    "envoy.config.listener.v3.Listener",
    listener("bad", { route_config: routesTo("nosuch") }),
  );
  const good = pack("envoy.config.listener.v3.Listener", listener("good", { route_config: routesTo("up") }));
  ads.send("lds", "l2", "6", [rdsListener("in"), bad, good]);
  const nack = await ads.next();
  assert.deepEqual([nack.versionInfo, nack.responseNonce, nack.errorDetail?.code], ["l1", "6", 13]);
  assert.equal(
    nack.errorDetail?.message,
    "Error adding/updating listener(s) bad: route: unknown cluster 'nosuch' (at filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[1].route)\n",
  );
  await waitUntil("it came true", () => server.listeners().length === 2);
  const sibling = server.listeners().find(({ name }) => name === "good")!.address;
  await waitUntil("it came true", async () => !(await refused(sibling)));
  assert.equal(await get(sibling), "200 two");

  // What is absent is removed.
  ads.send("lds", "l3", "7", [rdsListener("in")]);
  await expect("lds", "l3");
  await waitUntil("it came true", () => refused(sibling));
  assert.equal(await get(address), "200 two");

  // The cluster's stats tell of the stream as of any request.
  const admin = `http://${server.adminAddress}/stats?filter=^cluster.xds.upstream_(rq_total|rq_active|rq_200|cx_active|cx_http2_total)$`;
  assert.equal(
    await (await fetch(admin)).text(),
    ["cx_active", "cx_http2_total", "rq_200", "rq_active", "rq_total"]
      .map((name) => `cluster.xds.upstream_${name}: 1\n`)
      .join(""),
  );

  // A lost server changes nothing, and one that is back is found soon.
  ads.close();
  assert.equal(await get(address), "200 two");
  const back = await ScriptedAdsServer.start(t, ads.port);
  const again = await back.next();
  assert.deepEqual(
    [again.typeUrl, again.versionInfo, again.responseNonce],
    [XDS_TYPES.cds.typeUrl, "c1", ""],
  );
});

test("startProxy() opens a stream of its own for a gRPC source of one type", async (t) => {
  const server = await ScriptedAdsServer.start(t);
  const grpc = {
    resource_api_version: "V3",
    api_config_source: {
      api_type: "GRPC",
      transport_api_version: "V3",
      grpc_services: [{ envoy_grpc: { cluster_name: "xds" } }],
    },
  };
  const starting = begin(server.port, { lds_config: grpc });
  const request = await server.next();
  assert.equal(request.typeUrl, XDS_TYPES.lds.typeUrl);
  const answers = pack("envoy.config.listener.v3.Listener", listener("l", { route_config: routesTo("xds") }));
  server.send("lds", "1", "a", [answers]);
  assert.equal((await server.next()).versionInfo, "1");
  const proxy = await starting;
  t.after(() => proxy.close());
  assert.equal(await get(proxy.listeners()[0]!.address, "/direct"), "200 hi");

  // A field without support is refused by name; the listener before it goes on.
  const other = listener("m", { route_config: routesTo("xds") }) as { freebind?: boolean };
  server.send("lds", "2", "b", [
    answers,
    pack("envoy.config.listener.v3.Listener", { ...other, freebind: true }),
  ]);
  const nack = await server.next();
  assert.match(
    nack.errorDetail!.message,
    /^Error adding\/updating listener\(s\) m: field "freebind" of .* is not supported/,
  );
  assert.equal(await get(proxy.listeners()[0]!.address, "/direct"), "200 hi");
});
