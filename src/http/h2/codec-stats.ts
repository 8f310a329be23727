import {
  EMPTY_FRAMES,
  OUTBOUND_CONTROL_FRAMES,
  OUTBOUND_FRAMES,
  PRIORITY_FRAMES,
  WINDOW_UPDATE_FRAMES,
} from "./budgets.ts";
import { TOO_LARGE, TOO_MANY, UNDERSCORE } from "./field-section.ts";

// What codecs count, by the names of Envoy's stats under "http2." and "cluster.<name>.http2.".

const H2_COUNTERS = [
  "cookies_total_bytes_too_large",
  "deferred_stream_close",
  "dropped_headers_with_underscores",
  "goaway_sent",
  "header_list_size_too_large",
  "header_overflow",
  "headers_cb_no_stream",
  "inbound_empty_frames_flood",
  "inbound_priority_frames_flood",
  "inbound_window_update_frames_flood",
  "keepalive_timeout",
  "metadata_empty_frames",
  "outbound_control_flood",
  "outbound_flood",
  "requests_rejected_with_underscores_in_headers",
  "rx_messaging_error",
  "rx_reset",
  "stream_refused_errors",
  "trailers",
  "tx_flush_timeout",
  "tx_reset",
] as const;
const H2_GAUGES = [
  "outbound_control_frames_active",
  "outbound_frames_active",
  "pending_send_bytes",
  "streams_active",
] as const;

export type H2CounterName = (typeof H2_COUNTERS)[number];
export type H2GaugeName = (typeof H2_GAUGES)[number];

/** What only grows. */
export interface Count {
  add(amount: number): void;
  inc(): void;
}

/** What goes up and down. */
export interface Level extends Count {
  dec(): void;
}

export type H2CodecStats = Readonly<Record<H2CounterName, Count>> & Readonly<Record<H2GaugeName, Level>>;

/** Makes one of each. */
export function buildCodecStats(
  counter: (name: H2CounterName) => Count,
  gauge: (name: H2GaugeName) => Level,
): H2CodecStats {
  const counters = H2_COUNTERS.map((name) => [name, counter(name)] as const);
  const gauges = H2_GAUGES.map((name) => [name, gauge(name)] as const);
  return Object.fromEntries<unknown>([...counters, ...gauges]) as H2CodecStats;
}

const NOTHING: Level = { add() {}, inc() {}, dec() {} };

/** For codecs whose owner counts nothing. */
export const NO_STATS: H2CodecStats = buildCodecStats(
  () => NOTHING,
  () => NOTHING,
);

/** The counter of a reason to reset a stream or to end a connection, for those that have one. */
export const COUNTER_OF_DETAIL: Readonly<Record<string, H2CounterName>> = {
  [EMPTY_FRAMES]: "inbound_empty_frames_flood",
  [PRIORITY_FRAMES]: "inbound_priority_frames_flood",
  [WINDOW_UPDATE_FRAMES]: "inbound_window_update_frames_flood",
  [OUTBOUND_FRAMES]: "outbound_flood",
  [OUTBOUND_CONTROL_FRAMES]: "outbound_control_flood",
  [TOO_LARGE]: "header_list_size_too_large",
  [TOO_MANY]: "header_overflow",
  [UNDERSCORE]: "requests_rejected_with_underscores_in_headers",
};
