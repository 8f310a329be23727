import type { JsonValue } from "@bufbuild/protobuf";
import { tcpAccessLog, type AccessLogPolicy } from "./access-log.ts";
import { socketAddress, typed, type JsonFields } from "./envoy-json.ts";

/** A listener that passes bytes on to one cluster, or to several by weight. */
export function tcpListener(
  name: string,
  address: string,
  policy: AccessLogPolicy,
  clusters: readonly { readonly name: string; readonly weight: number }[],
): JsonValue {
  const target: JsonFields =
    clusters.length === 1
      ? { cluster: clusters[0]!.name }
      : { weighted_clusters: { clusters: clusters.map((each) => ({ ...each })) } };
  return {
    name,
    address: socketAddress(address),
    filter_chains: [
      {
        filters: [
          {
            name: "envoy.filters.network.tcp_proxy",
            typed_config: typed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", {
              stat_prefix: name,
              ...target,
              ...tcpAccessLog(policy),
            }),
          },
        ],
      },
    ],
  };
}
