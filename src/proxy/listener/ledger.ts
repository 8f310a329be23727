import { ignored, only, type Ledger } from "../../proto/ledger.ts";

/** What of a listener is read. */
export const listenerLedger: Ledger = {
  "envoy.config.listener.v3.Listener": [
    "name",
    "address",
    "additional_addresses",
    "stat_prefix",
    "filter_chains",
    "default_filter_chain",
    "per_connection_buffer_limit_bytes",
    "metadata",
    only("drain_type", "DEFAULT"),
    "traffic_direction",
    "tcp_backlog_size",
    ignored("reuse_port", "every worker listens with SO_REUSEPORT"),
    only("enable_reuse_port", "true"),
    ignored("continue_on_listener_filters_timeout", "there are no listener filters"),
    ignored("listener_filters_timeout", "there are no listener filters"),
    ignored("max_connections_to_accept_per_socket_event", "the event loop decides"),
  ],
  "envoy.config.listener.v3.AdditionalAddress": ["address"],
  "envoy.config.listener.v3.FilterChain": ["filter_chain_match", "filters", "name", "metadata"],
  "envoy.config.listener.v3.FilterChainMatch": [
    "destination_port",
    "prefix_ranges",
    "direct_source_prefix_ranges",
    "source_type",
    "source_prefix_ranges",
    "source_ports",
    only("transport_protocol", "raw_buffer"),
  ],
  "envoy.config.listener.v3.Filter": ["name", "typed_config"],
  "envoy.config.core.v3.Address": ["socket_address", "pipe"],
  "envoy.config.core.v3.SocketAddress": [only("protocol", "TCP"), "address", "port_value", "ipv4_compat"],
  "envoy.config.core.v3.Pipe": ["path", "mode"],
  "envoy.config.core.v3.CidrRange": "all",
};
