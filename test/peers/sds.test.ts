import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { fromJson, packAny } from "../../src/proto/registry.ts";
import { makeCertificate, type TestCertificate } from "../../src/testing/certs.ts";
import { peerTest } from "../../src/testing/peers.ts";
import { ScriptedAdsServer } from "../../src/testing/scripted-ads-server.ts";
import { startProxy, type ProxyKind, type RunningProxy } from "../../src/testing/start-proxy.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

// Secrets by ADS, by a stream of their own and from a file, for listeners and clusters: the same script for real Envoy and Weft.

const TYPES = "type.googleapis.com/envoy.extensions";
const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const address = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
const grpcService = { envoy_grpc: { cluster_name: "xds" } };

/** How the proxy asks for secrets. */
type Form = "ads" | "grpc" | "file";

function sourceOf(form: Form, path: string): object {
  if (form === "ads") return { ads: {}, resource_api_version: "V3" };
  if (form === "file") return { path_config_source: { path }, resource_api_version: "V3" };
  return {
    resource_api_version: "V3",
    api_config_source: { api_type: "GRPC", transport_api_version: "V3", grpc_services: [grpcService] },
  };
}

const tlsContext = (name: string, common: object, more: object = {}): object => ({
  name: "tls",
  typed_config: {
    "@type": `${TYPES}.transport_sockets.tls.v3.${name}`,
    common_tls_context: common,
    ...more,
  },
});

function manager(routes: object[]): object {
  return {
    "@type": `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "in",
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    http_filters: [{ name: "router", typed_config: { "@type": `${TYPES}.filters.http.router.v3.Router` } }],
  };
}

function cluster(name: string, port: number, more: object = {}): object {
  return {
    name,
    type: "STATIC",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
    },
    ...more,
  };
}

function bootstrap(sourceOf: (name: string) => object, xdsPort: number, upstreamPort?: number): object {
  const trusting = tlsContext(
    "UpstreamTlsContext",
    {
      tls_certificate_sds_secret_configs: [{ name: "pair", sds_config: sourceOf("pair") }],
      combined_validation_context: {
        default_validation_context: {},
        validation_context_sds_secret_config: { name: "trust", sds_config: sourceOf("trust") },
      },
    },
    { sni: "up.test" },
  );
  const action =
    upstreamPort === undefined
      ? { direct_response: { status: 200, body: { inline_string: "hi" } } }
      : { route: { cluster: "up" } };
  return {
    node: { id: "n", cluster: "c" },
    admin: { address: address(0) },
    dynamic_resources: {
      ads_config: { api_type: "GRPC", transport_api_version: "V3", grpc_services: [grpcService] },
    },
    static_resources: {
      listeners: [
        {
          name: "in",
          address: address(0),
          filter_chains: [
            {
              filters: [
                {
                  name: "hcm",
                  typed_config: manager([{ match: { prefix: "/" }, ...action }]),
                },
              ],
              ...(upstreamPort === undefined && {
                transport_socket: tlsContext("DownstreamTlsContext", {
                  tls_certificate_sds_secret_configs: [{ name: "pair", sds_config: sourceOf("pair") }],
                }),
              }),
            },
          ],
        },
      ],
      clusters: [
        ...(upstreamPort === undefined ? [] : [cluster("up", upstreamPort, { transport_socket: trusting })]),
        cluster("xds", xdsPort, {
          typed_extension_protocol_options: {
            [HTTP_OPTIONS]: {
              "@type": `type.googleapis.com/${HTTP_OPTIONS}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }),
      ],
    },
  };
}

const pairOf = ({ cert }: TestCertificate, key: TestCertificate) => ({
  name: "pair",
  tls_certificate: {
    certificate_chain: { inline_string: cert },
    private_key: { inline_string: key.key },
  },
});
const packed = (secret: object) => packAny(SECRET, fromJson(SECRET, secret as never));

function replace(file: string, version: string, secret: object): void {
  const resources = [{ "@type": `type.googleapis.com/${SECRET}`, ...secret }];
  writeFileSync(`${file}.new`, JSON.stringify({ version_info: version, resources }));
  renameSync(`${file}.new`, file);
}

/** Where the secrets of a run come from. */
interface SecretServer {
  readonly port: number;
  readonly source: object;
  /** Puts a version out; resolves with the reason for which the proxy refuses it, as far as it tells. */
  publish(version: string, secret: object): Promise<string | undefined>;
}

async function serve(context: TestContext, form: Form): Promise<SecretServer> {
  const ads = await ScriptedAdsServer.start(context);
  const file = join(tempDir("sds"), "secret.json");
  const source = sourceOf(form, file);
  let asked: Promise<unknown> | undefined = form === "file" ? undefined : ads.next();
  return {
    port: ads.port,
    source,
    async publish(version, secret) {
      if (form === "file") {
        replace(file, version, secret);
        return undefined;
      }
      await asked;
      asked = undefined;
      ads.send("sds", version, version, [packed(secret)]);
      const answer = await ads.next();
      assert.equal(answer.responseNonce, version);
      return answer.errorDetail?.message;
    },
  };
}

function open(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
    });
    socket.once("secureConnect", () => resolve(socket)).once("error", reject);
  });
}

async function commonName(port: number): Promise<string> {
  const socket = await open(port);
  const name = socket.getPeerX509Certificate()!.subject.replace("CN=", "");
  socket.destroy();
  return name;
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  return await new Promise((resolve) =>
    socket.once("data", (bytes: Buffer) => resolve(bytes.toString("latin1"))),
  );
}

async function stat(proxy: RunningProxy, name: string): Promise<unknown> {
  return (await proxy.stats(name)).get(name);
}

async function check(context: TestContext, kind: ProxyKind, form: Form): Promise<void> {
  const [one, two, other] = ["one", "two", "other"].map((name) => makeCertificate({ name }));
  const server = await serve(context, form);
  const first = server.publish("1", pairOf(one!, one!));
  if (form === "file") await first;
  const proxy = await startProxy(
    kind,
    bootstrap(() => server.source, server.port),
  );
  context.after(() => proxy.stop(300));
  assert.equal(await first, undefined);
  const port = proxy.ports.get("in")!;
  assert.equal(await commonName(port), "one");
  const old = await open(port);
  context.after(() => old.destroy());
  assert.match(await ask(old), /^HTTP\/1.1 200 OK/);

  assert.equal(await server.publish("2", pairOf(two!, two!)), undefined);
  await waitUntil("the new certificate", async () => (await commonName(port)) === "two");
  assert.match(await ask(old), /^HTTP\/1.1 200 OK/, "connections go on");
  const factory = `listener.127.0.0.1_${port}.server_ssl_socket_factory`;
  // Listeners on port 0 are named by it in Envoy's stats.
  const updates = [...(await proxy.stats("ssl_context_update_by_sds")).values()];
  assert.ok(
    updates.some((value) => value !== 0),
    factory,
  );

  const refusal = await server.publish("3", pairOf(two!, other!));
  if (form !== "file")
    assert.match(refusal!, /Failed to load private key from <inline>.*KEY_VALUES_MISMATCH/);
  await waitUntil("the refusal", async () => (await stat(proxy, "sds.pair.update_rejected")) === 1);
  assert.equal(await commonName(port), "two");
  assert.equal(await stat(proxy, "sds.pair.update_success"), 2);
}

/** A cluster shows a certificate of its own and trusts an authority, both by SDS. */
async function checkCluster(context: TestContext, kind: ProxyKind, form: "ads" | "file"): Promise<void> {
  const ca = makeCertificate({ name: "CA", ca: true });
  const up = makeCertificate({ name: "up", names: ["DNS:up.test"], issuer: ca });
  const [one, two] = ["one", "two"].map((name) => makeCertificate({ name, issuer: ca }));
  const upstream = createServer(
    { cert: up.cert, key: up.key, ca: ca.cert, requestCert: true },
    (request, response) =>
      response.end((request.socket as TLSSocket).getPeerX509Certificate()?.subject.replace("CN=", "")),
  );
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const ads = await ScriptedAdsServer.start(context);
  const upstreamPort = (upstream.address() as AddressInfo).port;
  // A file must hold nothing but the secret that it is asked for.
  const folder = tempDir("sds");
  const trust = { name: "trust", validation_context: { trusted_ca: { inline_string: ca.cert } } };
  const publish = async (version: string, secrets: { name: string }[]): Promise<void> => {
    if (form === "file") {
      for (const secret of secrets) replace(join(folder, secret.name), version, secret);
      return;
    }
    ads.send("sds", version, version, secrets.map(packed));
    let answer = await ads.next();
    while (answer.responseNonce !== version) answer = await ads.next();
    assert.equal(answer.errorDetail?.message, undefined);
  };
  if (form === "file") await publish("1", [pairOf(one!, one!), trust]);
  const starting = startProxy(
    kind,
    bootstrap((name) => sourceOf(form, join(folder, name)), ads.port, upstreamPort),
  );
  starting.catch(() => undefined);
  if (form === "ads") {
    let asked = await ads.next();
    while (asked.resourceNames.length < 2) asked = await ads.next();
    await publish("1", [pairOf(one!, one!), trust]);
  }
  const proxy = await starting;
  context.after(() => proxy.stop(300));
  const get = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${proxy.ports.get("in")}/`, { headers: { connection: "close" } })).text();
  assert.equal(await get(), "one");
  await publish("2", [pairOf(two!, two!), trust]);
  await waitUntil("the new certificate", async () => {
    // Pooled connections go on with what they began with.
    upstream.closeAllConnections();
    return (await get()) === "two";
  });
  assert.equal(await stat(proxy, "sds.trust.update_rejected"), 0);
}

for (const kind of ["envoy", "weft"] as const) {
  // Real Envoy opens ADS only when its static clusters are warm, which then wait for their secrets in vain.
  for (const form of kind === "weft" ? (["ads", "file"] as const) : (["file"] as const)) {
    peerTest(
      `${kind} takes what a cluster shows and trusts from ${form}, and follows it`,
      kind === "envoy" ? ["envoy"] : [],
      (context) => checkCluster(context, kind, form),
    );
  }
  for (const form of ["ads", "grpc", "file"] as const) {
    peerTest(
      `${kind} takes a listener's certificate from ${form}, follows it, and refuses a bad one`,
      kind === "envoy" ? ["envoy"] : [],
      (context) => check(context, kind, form),
    );
  }
}
