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
    "allow_metadata",
    "max_metadata_size",
    "max_outbound_frames",
    "max_outbound_control_frames",
    "max_consecutive_inbound_frames_with_empty_payload",
    "max_inbound_priority_frames_per_stream",
    "max_inbound_window_update_frames_per_data_frame_sent",
    "stream_error_on_invalid_http_messaging",
    "override_stream_error_on_invalid_http_message",
    "connection_keepalive",
    "custom_settings_parameters",
    "max_header_field_size_kb",
    ignored("use_oghttp2_codec", "there is one codec"),
    ignored(
      "enable_huffman_encoding",
      "strings are written plain, for the time that it saves; any peer reads both",
    ),
    ignored(
      "disallow_obs_text",
      "as in Envoy 1.40, values may have such bytes and names may not, either way",
    ),
    ignored(
      "stream_reset_burst",
      "Envoy 1.40 does not act on it; streams that are reset young have a budget",
    ),
    ignored("stream_reset_rate", "as stream_reset_burst"),
  ],
  "envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter": "all",
  "envoy.config.core.v3.KeepaliveSettings": "all",
  "envoy.type.v3.Percent": "all",
};

const ENABLE_PUSH = 2;
const ENABLE_CONNECT_PROTOCOL = 8;
/** Settings that have a field, by identifier. */
const NAMED = new Map([
  [1, "hpackTableSize"],
  [3, "maxConcurrentStreams"],
  [4, "initialStreamWindowSize"],
] as const) as ReadonlyMap<number, "hpackTableSize" | "maxConcurrentStreams" | "initialStreamWindowSize">;

/** Percent of the interval, unless configured. */
const DEFAULT_JITTER = 15;

/** The setting that limits whole field sections. */
export interface SectionLimit {
  /** As `max_request_headers_kb`. */
  readonly field: string;
  /** Undefined = the default. */
  readonly kilobytes: number | undefined;
}

/**
 * The settings of both sides; what is not configured is taken from `defaults`. Throws an Error with Envoy's text where
 * settings contradict each other.
 */
export function compileHttp2Options<T extends H2Options>(
  config: Http2 | undefined,
  section: SectionLimit,
  given: T,
): T {
  const { kilobytes } = section;
  const defaults = kilobytes === undefined ? given : { ...given, maxHeaderBytes: kilobytes * 1024 };
  if (config === undefined) return defaults;
  const { maxHeaderFieldSizeKb } = config;
  if (maxHeaderFieldSizeKb !== undefined && kilobytes !== undefined && maxHeaderFieldSizeKb > kilobytes)
    throw new Error(`max_header_field_size_kb must not exceed ${section.field}`);
  const custom = customSettings(config);
  return {
    ...defaults,
    hpackTableSize: config.hpackTableSize ?? custom.get(1) ?? defaults.hpackTableSize,
    maxConcurrentStreams: config.maxConcurrentStreams ?? custom.get(3) ?? defaults.maxConcurrentStreams,
    initialStreamWindowSize:
      config.initialStreamWindowSize ?? custom.get(4) ?? defaults.initialStreamWindowSize,
    customSettings: [...custom].filter(([identifier]) => !NAMED.has(identifier)).flat(),
    initialConnectionWindowSize: config.initialConnectionWindowSize ?? defaults.initialConnectionWindowSize,
    allowConnect: config.allowConnect,
    allowMetadata: config.allowMetadata,
    maxMetadataSize: Number(config.maxMetadataSize ?? defaults.maxMetadataSize),
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
    maxFieldBytes: maxHeaderFieldSizeKb === undefined ? defaults.maxFieldBytes : maxHeaderFieldSizeKb * 1024,
    connectionKeepalive: keepalive(config.connectionKeepalive),
  };
}

/** custom_settings_parameters by identifier. Throws where Envoy refuses them. */
function customSettings(config: Http2): Map<number, number> {
  const found = new Map<number, number>();
  const inconsistent = new Set<number>();
  const twice = new Set<string>();
  for (const { identifier = 0, value = 0 } of config.customSettingsParameters) {
    if (identifier === ENABLE_PUSH && value === 1)
      throw new Error(
        "server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.",
      );
    if (identifier === ENABLE_CONNECT_PROTOCOL)
      throw new Error(
        'the "allow_connect" SETTINGS parameter must only be configured through the named field',
      );
    const field = NAMED.get(identifier);
    if (field !== undefined && config[field] !== undefined) twice.add(snakeCase(field));
    if (found.has(identifier) && found.get(identifier) !== value) inconsistent.add(identifier);
    found.set(identifier, value);
  }
  if (twice.size > 0)
    throw new Error(
      `the {${[...twice].join(",")}} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters`,
    );
  if (inconsistent.size > 0)
    throw new Error(
      `inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {${[...inconsistent].map((id) => `0x${id.toString(16)}`).join(",")}}`,
    );
  return found;
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
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
