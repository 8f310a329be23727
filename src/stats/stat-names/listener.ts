// Names that Envoy 1.40 shows at 0 from the start.
import type { StatNames } from "./stat-names.ts";

/** Under "listener.<address>.". */
export const LISTENER_STATS: StatNames = {
  counters: (
    "downstream_cx_destroy downstream_cx_overflow downstream_cx_overload_reject downstream_cx_total " +
    "downstream_cx_transport_socket_connect_timeout downstream_global_cx_overflow " +
    "downstream_listener_filter_error downstream_listener_filter_remote_close downstream_pre_cx_timeout " +
    "extension_config_missing network_extension_config_missing no_filter_chain_match"
  ).split(" "),
  gauges: "downstream_cx_active downstream_pre_cx_active".split(" "),
  histograms: "connections_accepted_per_socket_event downstream_cx_length_ms".split(" "),
};

/** Under "listener.admin.". */
export const ADMIN_LISTENER_STATS: StatNames = {
  counters: (
    "downstream_cx_destroy downstream_cx_overflow downstream_cx_overload_reject downstream_cx_total " +
    "downstream_cx_transport_socket_connect_timeout downstream_global_cx_overflow " +
    "downstream_listener_filter_error downstream_listener_filter_remote_close downstream_pre_cx_timeout " +
    "http.admin.downstream_rq_1xx http.admin.downstream_rq_2xx http.admin.downstream_rq_3xx " +
    "http.admin.downstream_rq_4xx http.admin.downstream_rq_5xx http.admin.downstream_rq_completed " +
    "main_thread.downstream_cx_total no_filter_chain_match"
  ).split(" "),
  gauges: "downstream_cx_active downstream_pre_cx_active main_thread.downstream_cx_active".split(" "),
  histograms: "connections_accepted_per_socket_event downstream_cx_length_ms".split(" "),
};
