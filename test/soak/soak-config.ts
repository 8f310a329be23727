import type { TestCertificate } from "../../src/testing/certs.ts";
import { listener, routesTo, staticCluster } from "../../src/testing/proxy-config.ts";
import type { SoakUpstreams } from "./soak-upstreams.ts";

const LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener";
const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** A proxy whose listeners come from a file. "h2" hosts get the paths under /h2. */
export function bootstrapOf(lds: string, upstreams: SoakUpstreams): object {
  const options = { "@type": OPTIONS, explicit_http_config: { http2_protocol_options: {} } };
  return {
    node: { id: "soak", cluster: "soak" },
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: {
      clusters: [
        staticCluster("h1", upstreams.h1),
        {
          ...staticCluster("h2", upstreams.h2),
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options,
          },
        },
      ],
    },
    dynamic_resources: { lds_config: { path_config_source: { path: lds } } },
  };
}

/** A plaintext and a TLS listener; each version differs from the one before. */
export function listenersOf(certificate: TestCertificate, version: number): object[] {
  const routes = routesTo("h1") as { virtual_hosts: { routes: object[] }[] };
  routes.virtual_hosts[0]!.routes.unshift({ match: { prefix: "/h2/" }, route: { cluster: "h2" } });
  const more = { server_name: `version ${version}`, upgrade_configs: [{ upgrade_type: "websocket" }] };
  const certificates = [
    {
      certificate_chain: { inline_string: certificate.cert },
      private_key: { inline_string: certificate.key },
    },
  ];
  const common = { tls_certificates: certificates, alpn_protocols: ["h2", "http/1.1"] };
  const secure = listener("tls", { route_config: routes, ...more }) as { filter_chains: object[] };
  const transport = {
    name: "tls",
    typed_config: { "@type": TLS, common_tls_context: common },
  };
  return [
    { "@type": LISTENER, ...listener("plain", { route_config: routes, ...more }) },
    {
      "@type": LISTENER,
      ...secure,
      filter_chains: secure.filter_chains.map((chain) => ({ ...chain, transport_socket: transport })),
    },
  ];
}
