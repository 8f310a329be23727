import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { makeCertificate } from "../../src/testing/certs.ts";
import { freePort } from "../../src/testing/free-port.ts";
import { ManagedProcess } from "../../src/testing/managed-process.ts";
import { findPeer } from "../../src/testing/peers.ts";
import { startProxy, type ProxyKind } from "../../src/testing/start-proxy.ts";
import { tempDir } from "../../src/testing/temp-dir.ts";
import { waitUntil } from "../../src/testing/wait-until.ts";

const TYPES = "type.googleapis.com/envoy.extensions";
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const address = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });

/** Files of one identity for both hops. */
export interface Identity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** What the certificate of both hops is for. */
export const SERVER_NAME = "interop.test";

/** gRPC's interoperability server behind a proxy, with TLS on both hops when there is an identity. Returns the proxy's port. */
export async function startInteropSite(
  context: TestContext,
  kind: ProxyKind,
  tls: Identity | undefined,
): Promise<number> {
  const serverPort = await startServer(context, tls);
  const proxy = await startProxy(kind, bootstrap(serverPort, tls));
  context.after(() => proxy.stop(500));
  return proxy.ports.get("in")!;
}

/** A certificate authority and a certificate of it, in files. */
export function makeIdentity(): Identity {
  const folder = tempDir("interop");
  const ca = makeCertificate({ name: "Interop CA", ca: true });
  const own = makeCertificate({ name: "interop", names: [`DNS:${SERVER_NAME}`], issuer: ca });
  const files = { ca: join(folder, "ca.pem"), cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  writeFileSync(files.ca, ca.cert);
  writeFileSync(files.cert, own.cert);
  writeFileSync(files.key, own.key);
  return files;
}

function bootstrap(serverPort: number, tls: Identity | undefined): object {
  const manager = {
    "@type": `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "grpc",
    codec_type: "AUTO",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/", grpc: {} }, route: { cluster: "server", timeout: "0s" } }],
        },
      ],
    },
    http_filters: [{ name: "router", typed_config: { "@type": `${TYPES}.filters.http.router.v3.Router` } }],
  };
  const pair = tls && {
    certificate_chain: { filename: tls.cert },
    private_key: { filename: tls.key },
  };
  const context = (name: string, config: object) => ({
    transport_socket: {
      name: "tls",
      typed_config: { "@type": `${TYPES}.transport_sockets.tls.v3.${name}`, ...config },
    },
  });
  return {
    admin: { address: address(0) },
    static_resources: {
      listeners: [
        {
          name: "in",
          address: address(0),
          filter_chains: [
            {
              filters: [{ name: "hcm", typed_config: manager }],
              ...(pair &&
                context("DownstreamTlsContext", {
                  common_tls_context: { tls_certificates: [pair], alpn_protocols: ["h2"] },
                })),
            },
          ],
        },
      ],
      clusters: [
        {
          name: "server",
          type: "STATIC",
          typed_extension_protocol_options: {
            [HTTP_OPTIONS]: {
              "@type": `type.googleapis.com/${HTTP_OPTIONS}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: "server",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(serverPort) } }] }],
          },
          ...(tls &&
            context("UpstreamTlsContext", {
              sni: SERVER_NAME,
              common_tls_context: { validation_context: { trusted_ca: { filename: tls.ca } } },
            })),
        },
      ],
    },
  };
}

async function startServer(context: TestContext, tls: Identity | undefined): Promise<number> {
  const port = await freePort();
  const args = ["-port", String(port)];
  if (tls !== undefined) args.push("-use_tls", "-tls_cert_file", tls.cert, "-tls_key_file", tls.key);
  const server = new ManagedProcess(findPeer("grpc-interop-server")!, args);
  context.after(() => server.stop(500));
  await waitUntil("the server listens", () => accepts(port));
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (up: boolean) => () => {
      socket.destroy();
      resolve(up);
    };
    socket.once("connect", done(true)).once("error", done(false));
  });
}
