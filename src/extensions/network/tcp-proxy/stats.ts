import type { Counter, Gauge, StatScope } from "../../../stats/stat-store.ts";

/** Handles of the "tcp.<stat_prefix>." stats. */
export class TcpProxyStats {
  readonly cxTotal: Counter;
  readonly noRoute: Counter;
  readonly rxBytes: Counter;
  readonly txBytes: Counter;
  readonly pausedReading: Counter;
  readonly resumedReading: Counter;
  readonly idleTimeout: Counter;
  readonly maxDuration: Counter;
  readonly earlyData: Counter;
  readonly upstreamFlush: Counter;
  readonly upstreamFlushActive: Gauge;

  constructor(scope: StatScope) {
    this.cxTotal = scope.counter("downstream_cx_total");
    this.noRoute = scope.counter("downstream_cx_no_route");
    this.rxBytes = scope.counter("downstream_cx_rx_bytes_total");
    this.txBytes = scope.counter("downstream_cx_tx_bytes_total");
    this.pausedReading = scope.counter("downstream_flow_control_paused_reading_total");
    this.resumedReading = scope.counter("downstream_flow_control_resumed_reading_total");
    this.idleTimeout = scope.counter("idle_timeout");
    this.maxDuration = scope.counter("max_downstream_connection_duration");
    this.earlyData = scope.counter("early_data_received_count_total");
    this.upstreamFlush = scope.counter("upstream_flush_total");
    this.upstreamFlushActive = scope.gauge("upstream_flush_active");
    scope.gauge("downstream_cx_rx_bytes_buffered");
    scope.gauge("downstream_cx_tx_bytes_buffered");
  }
}
