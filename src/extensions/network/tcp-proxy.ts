import type { NetworkFilterDef, TerminalFilterFactory } from "../../proxy/api.ts";
import { TcpSession } from "./tcp-proxy/session.ts";
import { tcpProxySettings } from "./tcp-proxy/settings.ts";

/** envoy.filters.network.tcp_proxy: gives a connection to a host of a cluster. */
export const tcpProxy: NetworkFilterDef<
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
  TerminalFilterFactory
> = {
  name: "envoy.filters.network.tcp_proxy",
  config: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
  ledger: {
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": [
      "stat_prefix",
      "cluster",
      "weighted_clusters",
      "metadata_match",
      "hash_policy",
      "idle_timeout",
      "access_log",
      "max_connect_attempts",
      "backoff_options",
      "max_downstream_connection_duration",
      "max_downstream_connection_duration_jitter_percentage",
      "access_log_flush_interval",
      "flush_access_log_on_connected",
      "access_log_options",
      "upstream_connect_mode",
      "max_early_data_bytes",
    ],
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster": "all",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": "all",
    "envoy.config.core.v3.Metadata": ["filter_metadata"],
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions": "all",
    "envoy.config.core.v3.BackoffStrategy": "all",
    "envoy.type.v3.HashPolicy": ["source_ip"],
    "envoy.type.v3.HashPolicy.SourceIp": "all",
    "envoy.type.v3.Percent": "all",
  },
  create(config, context) {
    const settings = tcpProxySettings(config, context);
    return {
      accept(downstream) {
        const session = new TcpSession(downstream, settings);
        session.begin();
        return session;
      },
      refused: (downstream) => new TcpSession(downstream, settings).onClose(""),
      // Nothing in a stream of bytes could tell the client to go elsewhere.
      drain() {},
      close: () => settings.accessLogs.flush(),
    };
  },
};
