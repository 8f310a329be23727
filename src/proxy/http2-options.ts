import type { H2Options, KeepaliveOptions } from "../http/h2/options.ts";
import { durationMs } from "../proto/duration.ts";
import { ignored, type Ledger } from "../proto/ledger.ts";
import type { Messages } from "../proto/messages.d.ts";

type Http2 = Messages["envoy.config.core.v3.Http2ProtocolOptions"];
type Keepalive = Messages["envoy.config.core.v3.KeepaliveSettings"];

/** What is read of http2_protocol_options, downstream and upstream. */
export const http2OptionsLedger: Ledger = {
  "envoy.config.core.v3.Http2ProtocolOptions": [
    "hpack_table_size",
    "max_concurrent_streams",
    "initial_stream_window_size",
    "initial_connection_window_size",
    "allow_connect",
    "max_outbound_frames",
    "max_outbound_control_frames",
    "max_consecutive_inbound_frames_with_empty_payload",
    "max_inbound_priority_frames_per_stream",
    "max_inbound_window_update_frames_per_data_frame_sent",
    "stream_error_on_invalid_http_messaging",
    "override_stream_error_on_invalid_http_message",
    "connection_keepalive",
    ignored("use_oghttp2_codec", "there is one codec"),
  ],
  "envoy.config.core.v3.KeepaliveSettings": "all",
  "envoy.type.v3.Percent": "all",
};

/** Percent of the interval, unless configured. */
const DEFAULT_JITTER = 15;

/** The settings of both sides; what is not configured is taken from `defaults`. */
export function compileHttp2Options<T extends H2Options>(config: Http2 | undefined, defaults: T): T {
  if (config === undefined) return defaults;
  return {
    ...defaults,
    hpackTableSize: config.hpackTableSize ?? defaults.hpackTableSize,
    maxConcurrentStreams: config.maxConcurrentStreams ?? defaults.maxConcurrentStreams,
    initialStreamWindowSize: config.initialStreamWindowSize ?? defaults.initialStreamWindowSize,
    initialConnectionWindowSize: config.initialConnectionWindowSize ?? defaults.initialConnectionWindowSize,
    allowConnect: config.allowConnect,
    maxOutboundFrames: config.maxOutboundFrames ?? defaults.maxOutboundFrames,
    maxOutboundControlFrames: config.maxOutboundControlFrames ?? defaults.maxOutboundControlFrames,
    maxConsecutiveInboundFramesWithEmptyPayload:
      config.maxConsecutiveInboundFramesWithEmptyPayload ??
      defaults.maxConsecutiveInboundFramesWithEmptyPayload,
    maxInboundPriorityFramesPerStream:
      config.maxInboundPriorityFramesPerStream ?? defaults.maxInboundPriorityFramesPerStream,
    maxInboundWindowUpdateFramesPerDataFrameSent:
      config.maxInboundWindowUpdateFramesPerDataFrameSent ??
      defaults.maxInboundWindowUpdateFramesPerDataFrameSent,
    overrideStreamErrorOnInvalidHttpMessage:
      config.overrideStreamErrorOnInvalidHttpMessage ?? config.streamErrorOnInvalidHttpMessaging,
    connectionKeepalive: keepalive(config.connectionKeepalive),
  };
}

function keepalive(config: Keepalive | undefined): KeepaliveOptions | undefined {
  if (config === undefined) return undefined;
  return {
    interval: durationMs(config.interval, 0),
    timeout: durationMs(config.timeout, 0),
    jitterPercent: config.intervalJitter?.value ?? DEFAULT_JITTER,
    idleInterval: durationMs(config.connectionIdleInterval, 0),
  };
}
