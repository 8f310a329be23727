// Options of the HTTP/2 codecs. Names and defaults follow Envoy's Http2ProtocolOptions
// (api/envoy/config/core/v3/protocol.proto).

/** PINGs that find out whether a peer is still there. Times are milliseconds. */
export interface KeepaliveOptions {
  /** Time between PINGs; 0 for none. */
  readonly interval: number;
  /** The connection is given up when no answer came in this time. */
  readonly timeout: number;
  /** Up to this percentage of the interval is added at random. */
  readonly jitterPercent: number;
  /** A PING goes before a new stream when nothing has been received for this long; 0 for none. */
  readonly idleInterval: number;
}

export interface H2Options {
  /** Octets of HPACK table, of the peer's and of ours. */
  readonly hpackTableSize: number;
  /** Server: streams that a client may have open. Client: streams that we open at most. */
  readonly maxConcurrentStreams: number;
  readonly initialStreamWindowSize: number;
  readonly initialConnectionWindowSize: number;
  /** Settings of others' making that we announce, as identifiers and values in turn. */
  readonly customSettings: readonly number[];
  /** Extended CONNECT (RFC 8441). */
  readonly allowConnect: boolean;
  /** METADATA frames are read and written; else they are ignored. */
  readonly allowMetadata: boolean;
  /** Bytes of METADATA that a stream may receive. */
  readonly maxMetadataSize: number;
  /** Frames that may wait for a peer that does not read. */
  readonly maxOutboundFrames: number;
  /** PING, SETTINGS and RST_STREAM frames that may wait. */
  readonly maxOutboundControlFrames: number;
  readonly maxConsecutiveInboundFramesWithEmptyPayload: number;
  readonly maxInboundPriorityFramesPerStream: number;
  readonly maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** A malformed message ends its stream and not the connection. */
  readonly overrideStreamErrorOnInvalidHttpMessage: boolean;
  readonly connectionKeepalive: KeepaliveOptions | undefined;
  /** Sum of the lengths of names and values in one field section. */
  readonly maxHeaderBytes: number;
  /** Length of one name with its value. */
  readonly maxFieldBytes: number;
  /** Most fields in one field section. */
  readonly maxHeaders: number;
  /** What to do with field names that contain "_". */
  readonly underscores: "allow" | "reject" | "drop";
}

export interface H2ServerOptions extends H2Options {
  /** Milliseconds between the first GOAWAY of `drain` and the last. */
  readonly drainTimeout: number;
  /** Milliseconds that a complete response may wait for the client's windows; 0 = for ever. */
  readonly flushTimeout: number;
  /** After this many streams the connection is closed if half of them were reset before their response began. */
  readonly prematureResetStreamCount: number;
}

export type H2ClientOptions = H2Options;

const DEFAULTS: H2Options = {
  hpackTableSize: 4096,
  maxConcurrentStreams: 1024,
  initialStreamWindowSize: 16 * 1024 * 1024,
  initialConnectionWindowSize: 24 * 1024 * 1024,
  customSettings: [],
  allowConnect: false,
  allowMetadata: false,
  maxMetadataSize: 1024 * 1024,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  overrideStreamErrorOnInvalidHttpMessage: false,
  connectionKeepalive: undefined,
  maxHeaderBytes: 60 * 1024,
  maxFieldBytes: Number.POSITIVE_INFINITY,
  maxHeaders: 100,
  underscores: "allow",
};

/** Envoy's defaults. */
export const DEFAULT_H2_SERVER_OPTIONS: H2ServerOptions = {
  ...DEFAULTS,
  drainTimeout: 5000,
  flushTimeout: 300_000,
  prematureResetStreamCount: 500,
};

/** Envoy's defaults. */
export const DEFAULT_H2_CLIENT_OPTIONS: H2ClientOptions = DEFAULTS;
