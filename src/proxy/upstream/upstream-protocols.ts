import type { Messages } from "../../proto/messages.d.ts";
import { unpackAs } from "../../proto/registry.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];
type ProtocolOptions = Messages["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];

/** Key of typed_extension_protocol_options, and name of its message. */
export const HTTP_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** What a connection speaks: one protocol, or what the TLS handshake agrees on. */
export type PoolProtocol = "http1" | "http2" | "alpn";

/** How hosts of a cluster are spoken to. */
export interface UpstreamProtocols {
  /** "downstream": as the client speaks to us. */
  readonly choice: PoolProtocol | "downstream";
  readonly common: Messages["envoy.config.core.v3.HttpProtocolOptions"] | undefined;
  readonly http1: Messages["envoy.config.core.v3.Http1ProtocolOptions"] | undefined;
  readonly http2: Messages["envoy.config.core.v3.Http2ProtocolOptions"] | undefined;
}

/** The cluster's HttpProtocolOptions, if it has any. Throws when they hold another message. */
export function protocolOptions(cluster: ClusterMessage): ProtocolOptions | undefined {
  const any = cluster.typedExtensionProtocolOptions[HTTP_PROTOCOL_OPTIONS];
  return any === undefined ? undefined : unpackAs(any, HTTP_PROTOCOL_OPTIONS);
}

/** Reads them from HttpProtocolOptions, or from the fields of the cluster that came before these. */
export function upstreamProtocols(cluster: ClusterMessage): UpstreamProtocols {
  const options = protocolOptions(cluster);
  if (options === undefined) {
    const {
      commonHttpProtocolOptions: common,
      httpProtocolOptions: http1,
      http2ProtocolOptions: http2,
    } = cluster;
    return { choice: http2 === undefined ? "http1" : "http2", common, http1, http2 };
  }
  const common = options.commonHttpProtocolOptions;
  const { upstreamProtocolOptions: given } = options;
  switch (given.case) {
    case "explicitHttpConfig": {
      const { protocolConfig } = given.value;
      const http1 = protocolConfig.case === "httpProtocolOptions" ? protocolConfig.value : undefined;
      const http2 = protocolConfig.case === "http2ProtocolOptions" ? protocolConfig.value : undefined;
      return { choice: http2 === undefined ? "http1" : "http2", common, http1, http2 };
    }
    case "autoConfig": {
      const { httpProtocolOptions: http1, http2ProtocolOptions: http2 } = given.value;
      return { choice: "alpn", common, http1, http2 };
    }
    case "useDownstreamProtocolConfig": {
      const { httpProtocolOptions: http1, http2ProtocolOptions: http2 } = given.value;
      return { choice: "downstream", common, http1, http2 };
    }
    default:
      return { choice: "http1", common, http1: undefined, http2: undefined };
  }
}

/** ALPN names of what connections of a pool, or of a cluster, may speak. */
export function alpnNames(choice: UpstreamProtocols["choice"]): readonly string[] {
  if (choice === "http1") return ["http/1.1"];
  return choice === "http2" ? ["h2"] : ["h2", "http/1.1"];
}
