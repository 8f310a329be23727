import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { fromJson, packAny } from "../../src/proto/registry.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { endpoints, staticCluster } from "../../src/testing/proxy-config.ts";
import { ScriptedAdsServer, type AdsRequest } from "../../src/testing/scripted-ads-server.ts";
import { startProxy, type ProxyKind } from "../../src/testing/start-proxy.ts";
import { XDS_TYPES, type XdsKind } from "../../src/xds/types.ts";

// The order in which a proxy says what on one ADS stream: the same script for real Envoy and Weft.

const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const CLUSTER = "envoy.config.cluster.v3.Cluster";
const ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const ADS = { resource_api_version: "V3", ads: {} };

const edsCluster = (name: string) =>
  packAny(
    CLUSTER,
    fromJson(CLUSTER, { name, type: "EDS", connect_timeout: "1s", eds_cluster_config: { eds_config: ADS } }),
  );
const assignment = (name: string) => packAny(ASSIGNMENT, fromJson(ASSIGNMENT, endpoints(name, 9) as never));

function bootstrap(port: number): object {
  const xds = {
    ...staticCluster("xds", port),
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: {
        "@type": `type.googleapis.com/${HTTP_OPTIONS}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
  const adsConfig = {
    api_type: "GRPC",
    transport_api_version: "V3",
    grpc_services: [{ envoy_grpc: { cluster_name: "xds" } }],
  };
  return {
    node: { id: "n", cluster: "c" },
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: { clusters: [xds] },
    dynamic_resources: { cds_config: ADS, lds_config: ADS, ads_config: adsConfig },
  };
}

/** Reads requests until one answers this nonce; returns those before it. */
async function until(ads: ScriptedAdsServer, nonce: string): Promise<AdsRequest[]> {
  const before: AdsRequest[] = [];
  for (;;) {
    const request = await ads.next();
    assert.equal(request.errorDetail?.message, undefined);
    if (request.responseNonce === nonce) return before;
    before.push(request);
  }
}

const isOf = (kind: XdsKind, request: AdsRequest): boolean => request.typeUrl === XDS_TYPES[kind].typeUrl;

async function check(context: TestContext, kind: ProxyKind): Promise<void> {
  const ads = await ScriptedAdsServer.start(context);
  const starting = startProxy(kind, bootstrap(ads.port));
  starting.catch(() => undefined);
  await ads.next();
  ads.send("cds", "c1", "cds-1", [edsCluster("a")]);
  // While it starts, nothing is held back.
  const first = await until(ads, "cds-1");
  assert.deepEqual(
    first.filter((request) => isOf("eds", request)).map(({ resourceNames }) => resourceNames),
    [["a"]],
  );
  ads.send("eds", "e1", "eds-1", [assignment("a")]);
  await until(ads, "eds-1");
  ads.send("lds", "l1", "lds-1", []);
  const proxy = await starting;
  context.after(() => proxy.stop(300));

  ads.send("cds", "c2", "cds-2", [edsCluster("a"), edsCluster("b")]);
  let asked = await ads.next();
  while (!(isOf("eds", asked) && asked.resourceNames.includes("b"))) asked = await ads.next();
  // Whatever else it says meanwhile, it does not acknowledge the clusters.
  ads.send("lds", "l2", "lds-2", []);
  const meanwhile = await until(ads, "lds-2");
  assert.deepEqual(
    meanwhile.filter((request) => isOf("cds", request)),
    [],
  );
  ads.send("eds", "e2", "eds-2", [assignment("a"), assignment("b")]);
  const last = [await ads.next(), await ads.next()];
  assert.deepEqual(last.map(({ responseNonce }) => responseNonce).sort(), ["cds-2", "eds-2"]);
  assert.equal(last.find((request) => isOf("cds", request))?.versionInfo, "c2");
}

for (const kind of ["envoy", "weft"] as const)
  peerTest(
    `${kind} acknowledges clusters on ADS only once their endpoints came`,
    kind === "envoy" ? ["envoy"] : [],
    (context) => check(context, kind),
  );
