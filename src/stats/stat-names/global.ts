// Names that Envoy 1.40 shows at 0 from the start.
import type { StatNames } from "./stat-names.ts";

/** Whole names. */
export const GLOBAL_STATS: StatNames = {
  counters: (
    "cluster_manager.cluster_added cluster_manager.cluster_modified cluster_manager.cluster_removed " +
    "cluster_manager.cluster_updated cluster_manager.cluster_updated_via_merge " +
    "cluster_manager.update_merge_cancelled cluster_manager.update_out_of_merge_window " +
    "envoy.overload_actions.reset_high_memory_stream.count filesystem.flushed_by_timer " +
    "filesystem.reopen_failed filesystem.write_buffered filesystem.write_completed " +
    "filesystem.write_failed http1.dropped_headers_with_underscores http1.metadata_not_supported_error " +
    "http1.requests_rejected_with_underscores_in_headers http1.response_flood " +
    "listener_manager.listener_added listener_manager.listener_create_failure " +
    "listener_manager.listener_create_success listener_manager.listener_in_place_updated " +
    "listener_manager.listener_modified listener_manager.listener_removed " +
    "listener_manager.listener_stopped main_thread.watchdog_mega_miss main_thread.watchdog_miss " +
    "runtime.deprecated_feature_use runtime.load_error runtime.load_success runtime.override_dir_exists " +
    "runtime.override_dir_not_exists server.debug_assertion_failures server.dropped_stat_flushes " +
    "server.dynamic_unknown_fields server.envoy_bug_failures server.envoy_notifications " +
    "server.main_thread.watchdog_mega_miss server.main_thread.watchdog_miss server.static_unknown_fields " +
    "server.wip_protos workers.watchdog_mega_miss workers.watchdog_miss"
  ).split(" "),
  gauges: (
    "cluster_manager.active_clusters cluster_manager.warming_clusters " +
    "filesystem.write_total_buffered listener_manager.total_filter_chains_draining " +
    "listener_manager.total_listeners_active listener_manager.total_listeners_draining " +
    "listener_manager.total_listeners_warming listener_manager.workers_pinned " +
    "listener_manager.workers_started runtime.admin_overrides_active " +
    "runtime.deprecated_feature_seen_since_process_start runtime.num_keys runtime.num_layers " +
    "server.compilation_settings.fips_mode server.concurrency server.days_until_first_cert_expiring " +
    "server.hot_restart_epoch server.hot_restart_generation server.live server.memory_allocated " +
    "server.memory_heap_size server.memory_physical_size server.parent_connections " +
    "server.seconds_until_first_ocsp_response_expiring server.state server.stats_recent_lookups " +
    "server.total_connections server.uptime server.version " +
    "thread_local_cluster_manager.main_thread.clusters_inflated"
  ).split(" "),
  histograms: "overload.refresh_interval_delay server.initialization_time_ms".split(" "),
};
