import { join } from "node:path";
import type { Site } from "./contender.ts";
import type { Work } from "./work.ts";

const TYPES = "type.googleapis.com/envoy.extensions";

/** Bootstrap for Envoy and for Weft alike. */
export function envoyBootstrap(name: string, work: Work, site: Site, clusterFile: string): object {
  const hcm = {
    "@type": `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "bench",
    use_remote_address: true,
    http_protocol_options: { accept_http_10: true, default_host_for_http_10: "bench" },
    // Clients of HTTP/1.0 wait for the end of the connection.
    delayed_close_timeout: "0s",
    route_config: {
      name: "bench",
      virtual_hosts: [{ name: "all", domains: ["*"], routes: routesOf(work) }],
    },
    access_log: work.accessLog ? [accessLog(join(site.folder, `${name}.log`))] : [],
    http_filters: [{ name: "router", typed_config: { "@type": `${TYPES}.filters.http.router.v3.Router` } }],
  };
  const filterChain = {
    filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: hcm }],
    ...(work.client === "tls" ? { transport_socket: downstreamTls(site) } : {}),
  };
  const cds = { path_config_source: { path: clusterFile } };
  return {
    node: { id: "bench", cluster: "bench" },
    admin: { address: address(0) },
    static_resources: {
      listeners: [{ name: "bench", address: address(0), filter_chains: [filterChain] }],
      clusters: [upstreamCluster(work, site)],
    },
    ...(work.watchesClusters ? { dynamic_resources: { cds_config: cds } } : {}),
  };
}

/** Clusters as a file that an Envoy watches has them; they differ in all of them by `connectTimeout`. */
export function clusterFileContent(count: number, connectTimeout: string): string {
  const resources = Array.from({ length: count }, (_, i) => ({
    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    ...staticCluster(`pushed-${i}`, 9),
    connect_timeout: connectTimeout,
  }));
  return JSON.stringify({ resources });
}

function routesOf({ routes }: Work): object[] {
  const route = { cluster: "up" };
  if (routes === 1) return [{ match: { prefix: "/" }, route }];
  return Array.from({ length: routes }, (_, i) => ({ match: { prefix: `/route/${i}/` }, route }));
}

function upstreamCluster(work: Work, { upstream }: Site): object {
  if (work.upstream === "h1") return staticCluster("up", upstream.h1Port);
  const options = `${TYPES}.upstreams.http.v3.HttpProtocolOptions`;
  return {
    ...staticCluster("up", upstream.h2cPort),
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": options,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

function staticCluster(name: string, port: number): object {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }];
  const load_assignment = { cluster_name: name, endpoints };
  return { name, type: "STATIC", connect_timeout: "1s", load_assignment };
}

function downstreamTls({ tls }: Site): object {
  const certificate = { certificate_chain: { filename: tls.cert }, private_key: { filename: tls.key } };
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: { tls_certificates: [certificate], alpn_protocols: ["h2", "http/1.1"] },
    },
  };
}

function accessLog(path: string): object {
  return {
    name: "envoy.access_loggers.file",
    typed_config: { "@type": `${TYPES}.access_loggers.file.v3.FileAccessLog`, path },
  };
}

function address(port: number): object {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
