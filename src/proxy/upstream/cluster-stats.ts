import type { H2CodecStats } from "../../http/h2/codec-stats.ts";
import type { Counter, Gauge, StatScope } from "../../stats/stat-store.ts";
import type { Histogram } from "../../stats/histogram.ts";
import { h2CodecStats } from "../h2-codec-stats.ts";

/** Name under which a cluster's stats are kept: ":" would break statsd. */
export function clusterStatPrefix(observabilityName: string): string {
  return `cluster.${observabilityName.replaceAll(":", "_")}.`;
}

/** Handles of the stats that pools and balancers of one cluster write; made when the cluster is first used. */
export class ClusterStats {
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxHttp1Total: Counter;
  readonly cxHttp2Total: Counter;
  readonly cxCloseNotify: Counter;
  readonly cxConnectFail: Counter;
  readonly cxConnectTimeout: Counter;
  readonly cxOverflow: Counter;
  readonly cxDestroy: Counter;
  readonly cxDestroyLocal: Counter;
  readonly cxDestroyRemote: Counter;
  readonly cxDestroyWithActiveRq: Counter;
  readonly cxDestroyLocalWithActiveRq: Counter;
  readonly cxDestroyRemoteWithActiveRq: Counter;
  readonly cxIdleTimeout: Counter;
  readonly cxMaxDurationReached: Counter;
  readonly cxMaxRequests: Counter;
  readonly cxNoneHealthy: Counter;
  readonly cxProtocolError: Counter;
  readonly cxRxBytes: Counter;
  readonly cxTxBytes: Counter;
  readonly rqTotal: Counter;
  readonly rqActive: Gauge;
  readonly rqActiveOverflow: Counter;
  readonly rqPendingTotal: Counter;
  readonly rqPendingActive: Gauge;
  readonly rqPendingOverflow: Counter;
  readonly rqPendingFailureEject: Counter;
  readonly rqCancelled: Counter;
  readonly rqRxReset: Counter;
  readonly rqTxReset: Counter;
  readonly lbHealthyPanic: Counter;
  readonly cxConnectMs: Histogram;
  readonly cxLengthMs: Histogram;
  readonly rqPerCx: Histogram;

  readonly #scope: StatScope;
  #http2: H2CodecStats | undefined;

  constructor(scope: StatScope) {
    this.#scope = scope;
    this.cxTotal = scope.counter("upstream_cx_total");
    this.cxActive = scope.gauge("upstream_cx_active");
    this.cxHttp1Total = scope.counter("upstream_cx_http1_total");
    this.cxHttp2Total = scope.counter("upstream_cx_http2_total");
    this.cxCloseNotify = scope.counter("upstream_cx_close_notify");
    this.cxConnectFail = scope.counter("upstream_cx_connect_fail");
    this.cxConnectTimeout = scope.counter("upstream_cx_connect_timeout");
    this.cxOverflow = scope.counter("upstream_cx_overflow");
    this.cxDestroy = scope.counter("upstream_cx_destroy");
    this.cxDestroyLocal = scope.counter("upstream_cx_destroy_local");
    this.cxDestroyRemote = scope.counter("upstream_cx_destroy_remote");
    this.cxDestroyWithActiveRq = scope.counter("upstream_cx_destroy_with_active_rq");
    this.cxDestroyLocalWithActiveRq = scope.counter("upstream_cx_destroy_local_with_active_rq");
    this.cxDestroyRemoteWithActiveRq = scope.counter("upstream_cx_destroy_remote_with_active_rq");
    this.cxIdleTimeout = scope.counter("upstream_cx_idle_timeout");
    this.cxMaxDurationReached = scope.counter("upstream_cx_max_duration_reached");
    this.cxMaxRequests = scope.counter("upstream_cx_max_requests");
    this.cxNoneHealthy = scope.counter("upstream_cx_none_healthy");
    this.cxProtocolError = scope.counter("upstream_cx_protocol_error");
    this.cxRxBytes = scope.counter("upstream_cx_rx_bytes_total");
    this.cxTxBytes = scope.counter("upstream_cx_tx_bytes_total");
    this.rqTotal = scope.counter("upstream_rq_total");
    this.rqActive = scope.gauge("upstream_rq_active");
    this.rqActiveOverflow = scope.counter("upstream_rq_active_overflow");
    this.rqPendingTotal = scope.counter("upstream_rq_pending_total");
    this.rqPendingActive = scope.gauge("upstream_rq_pending_active");
    this.rqPendingOverflow = scope.counter("upstream_rq_pending_overflow");
    this.rqPendingFailureEject = scope.counter("upstream_rq_pending_failure_eject");
    this.rqRxReset = scope.counter("upstream_rq_rx_reset");
    this.rqTxReset = scope.counter("upstream_rq_tx_reset");
    this.rqCancelled = scope.counter("upstream_rq_cancelled");
    this.lbHealthyPanic = scope.counter("lb_healthy_panic");
    this.cxConnectMs = scope.histogram("upstream_cx_connect_ms");
    this.cxLengthMs = scope.histogram("upstream_cx_length_ms");
    this.rqPerCx = scope.histogram("upstream_rq_per_cx");
  }

  /** What the codecs of its connections count. */
  get http2(): H2CodecStats {
    return (this.#http2 ??= h2CodecStats(this.#scope.scope("http2.")));
  }
}
