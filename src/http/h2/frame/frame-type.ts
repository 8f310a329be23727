// Frame types and flags of RFC 9113 section 6.

export const DATA = 0x0;
export const HEADERS = 0x1;
export const PRIORITY = 0x2;
export const RST_STREAM = 0x3;
export const SETTINGS = 0x4;
export const PUSH_PROMISE = 0x5;
export const PING = 0x6;
export const GOAWAY = 0x7;
export const WINDOW_UPDATE = 0x8;
export const CONTINUATION = 0x9;
/** Not of the RFC: Envoy's extension. */
export const METADATA = 0x4d;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const END_METADATA = 0x4;
export const PADDED = 0x8;
export const PRIORITY_FLAG = 0x20;

/** Bytes of a frame header (section 4.1). */
export const FRAME_HEADER = 9;
/** Largest payload that we take and that we write, whatever the peer would take: the initial SETTINGS_MAX_FRAME_SIZE. */
export const MAX_FRAME_SIZE = 16_384;
/** Highest stream id. */
export const MAX_STREAM_ID = 0x7fff_ffff;
/** What a client sends first (section 3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
