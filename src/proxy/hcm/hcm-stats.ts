import type { H2CodecStats } from "../../http/h2/codec-stats.ts";
import type { Histogram } from "../../stats/histogram.ts";
import type { Counter, Gauge, StatScope } from "../../stats/stat-store.ts";
import { h2CodecStats } from "../h2-codec-stats.ts";

const CONNECTION_COUNTERS = [
  "downstream_cx_total", "downstream_cx_http1_total", "downstream_cx_http2_total", "downstream_cx_http3_total",
  "downstream_cx_ssl_total", "downstream_cx_destroy", "downstream_cx_destroy_active_rq", "downstream_cx_destroy_local",
  "downstream_cx_destroy_local_active_rq", "downstream_cx_destroy_remote", "downstream_cx_destroy_remote_active_rq",
  "downstream_cx_drain_close", "downstream_cx_delayed_close_timeout", "downstream_cx_idle_timeout",
  "downstream_cx_max_duration_reached", "downstream_cx_max_requests_reached", "downstream_cx_overload_disable_keepalive",
  "downstream_cx_protocol_error", "downstream_cx_rx_bytes_total", "downstream_cx_tx_bytes_total", "downstream_cx_upgrades_total",
  "downstream_flow_control_paused_reading_total", "downstream_flow_control_resumed_reading_total",
] as const; // prettier-ignore
const GAUGES = [
  "downstream_cx_active", "downstream_cx_http1_active", "downstream_cx_http2_active", "downstream_cx_http3_active",
  "downstream_cx_http1_soft_drain", "downstream_cx_rx_bytes_buffered", "downstream_cx_ssl_active", "downstream_cx_tx_bytes_buffered",
  "downstream_cx_upgrades_active", "downstream_rq_active",
] as const; // prettier-ignore
const REQUEST_COUNTERS = [
  "downstream_rq_total", "downstream_rq_http1_total", "downstream_rq_http2_total", "downstream_rq_http3_total", "downstream_rq_completed",
  "downstream_rq_rx_reset", "downstream_rq_tx_reset", "downstream_rq_too_large", "downstream_rq_too_many_premature_resets",
  "downstream_rq_timeout", "downstream_rq_header_timeout", "downstream_rq_idle_timeout", "downstream_rq_max_duration_reached",
  "downstream_rq_overload_close", "downstream_rq_failed_path_normalization", "downstream_rq_redirected_with_normalized_path",
  "downstream_rq_non_relative_path", "downstream_rq_rejected_via_ip_detection", "downstream_rq_response_before_rq_complete",
  "downstream_rq_ws_on_non_ws_route", "no_route", "no_cluster", "rq_total", "rq_direct_response", "rq_redirect",
  "rq_overload_local_reply", "rq_reset_after_downstream_response_started", "rs_too_large",
  "passthrough_internal_redirect_bad_location", "passthrough_internal_redirect_no_route",
  "passthrough_internal_redirect_predicate", "passthrough_internal_redirect_too_many_redirects",
  "passthrough_internal_redirect_unsafe_scheme",
  "tracing.client_enabled", "tracing.health_check", "tracing.not_traceable", "tracing.random_sampling", "tracing.service_forced",
] as const; // prettier-ignore
const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

type CounterName = (typeof CONNECTION_COUNTERS)[number] | (typeof REQUEST_COUNTERS)[number];
type GaugeName = (typeof GAUGES)[number];

/** Handles of all "http.<stat_prefix>." stats and of the listener's "http.<stat_prefix>." ones. */
export class HcmStats {
  readonly counters: Readonly<Record<CounterName, Counter>>;
  readonly gauges: Readonly<Record<GaugeName, Gauge>>;
  // What every request and read counts has a field: an object of sixty computed names is a hash table to V8.
  readonly rqTotal: Counter;
  readonly rqHttp1Total: Counter;
  readonly rqHttp2Total: Counter;
  readonly rqActive: Gauge;
  readonly cxRxBytes: Counter;
  readonly rqTime: Histogram;
  readonly cxLength: Histogram;
  readonly #completed: Counter;
  readonly #classes: readonly Counter[];
  readonly #listenerClasses: readonly Counter[];
  readonly #listenerCompleted: Counter;
  readonly #codecScope: StatScope;
  #http2: H2CodecStats | undefined;

  /** @param scope "http.<stat_prefix>."; @param listener "listener.<address>.http.<stat_prefix>."; @param codec "http2." */
  constructor(scope: StatScope, listener: StatScope, codec: StatScope) {
    this.#codecScope = codec;
    this.counters = Object.fromEntries(
      [...CONNECTION_COUNTERS, ...REQUEST_COUNTERS].map((name) => [name, scope.counter(name)]),
    ) as Record<CounterName, Counter>;
    this.gauges = Object.fromEntries(GAUGES.map((name) => [name, scope.gauge(name)])) as Record<
      GaugeName,
      Gauge
    >;
    this.rqTotal = this.counters.downstream_rq_total;
    this.rqHttp1Total = this.counters.downstream_rq_http1_total;
    this.rqHttp2Total = this.counters.downstream_rq_http2_total;
    this.rqActive = this.gauges.downstream_rq_active;
    this.cxRxBytes = this.counters.downstream_cx_rx_bytes_total;
    this.#completed = this.counters.downstream_rq_completed;
    this.rqTime = scope.histogram("downstream_rq_time");
    this.cxLength = scope.histogram("downstream_cx_length_ms");
    this.#classes = CLASSES.map((name) => scope.counter("downstream_rq_" + name));
    this.#listenerClasses = CLASSES.map((name) => listener.counter("downstream_rq_" + name));
    this.#listenerCompleted = listener.counter("downstream_rq_completed");
  }

  /** What HTTP/2 codecs count, for all connection managers together. */
  get http2(): H2CodecStats {
    return (this.#http2 ??= h2CodecStats(this.#codecScope));
  }

  /** Counts a response's status. */
  countStatus(status: number): void {
    this.#completed.inc();
    this.#listenerCompleted.inc();
    const index = Math.trunc(status / 100) - 1;
    if (index < 0 || index > 4) return;
    this.#classes[index]!.inc();
    this.#listenerClasses[index]!.inc();
  }
}
