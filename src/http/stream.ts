import type { HeaderMap } from "./header-map.ts";
import type { Metadata } from "./metadata.ts";

// One contract for downstream and upstream, HTTP/1.1 and HTTP/2. A codec turns bytes into calls of a StreamHandler and
// calls of a StreamSink into bytes. A handler owns the maps it is called with and releases them in the end; a sink only
// reads (and may change) a map during the call: it stays with the caller, who needs it for retries and access logs.
// A `data` chunk is lent: it is valid until the call returns; who keeps it, copies it.

/** Why a stream ended early. Names follow Envoy's StreamResetReason. */
export type ResetReason =
  | "local-reset"
  | "local-refused-stream-reset"
  | "remote-reset"
  | "remote-refused-stream-reset"
  | "remote-reset-no-error"
  | "connection-failure"
  | "connection-timeout"
  | "connection-termination"
  | "local-connection-failure"
  | "overflow"
  | "connect-error"
  | "protocol-error"
  | "overload-manager"
  | "premature-upstream-half-close";

/** A message that a codec refuses. On a server it becomes a local reply, on a client a reset with "protocol-error". */
export interface CodecError {
  /** Status of the local reply. */
  readonly status: number;
  /** Body of the local reply; "" for none. */
  readonly body: string;
  /** %RESPONSE_CODE_DETAILS%, e.g. "http1.codec_error". */
  readonly details: string;
  /** Whether response flag DPE (downstream) or UPE (upstream) is set. */
  readonly protocolError: boolean;
}

/** What one writes a message into. */
export interface StreamSink {
  /** Response: interim status such as 100 or 103, with its headers or none. */
  interim(status: number, headers: HeaderMap | undefined): void;
  headers(headers: HeaderMap, end: boolean): void;
  /** Returns false when the connection is above its high watermark: wait for `onDrain`. */
  data(chunk: Buffer, end: boolean): boolean;
  trailers(trailers: HeaderMap): void;
  /** Says something beside the message. Not there where the protocol has no means for it. */
  metadata?(metadata: Metadata): void;
  /** Ends the stream at once; the handler hears nothing more. */
  reset(reason: ResetReason): void;
}

/** What a stream calls. `end` is true on the last call of a complete message. */
export interface StreamHandler {
  onInterim(status: number, headers: HeaderMap): void;
  onHeaders(headers: HeaderMap, end: boolean): void;
  onData(chunk: Buffer, end: boolean): void;
  onTrailers(trailers: HeaderMap): void;
  /** May come at any time before the end of the message, on a server not before its head. */
  onMetadata?(metadata: Metadata): void;
  /** The peer or the connection ended the stream early. The last call. `detail` is a transport failure or codec detail. */
  onReset(reason: ResetReason, detail: string): void;
  /** A server codec refuses what it received; the handler answers with a local reply and the connection closes. */
  onCodecError(error: CodecError): void;
  /** Room again below the low watermark, after `data` returned false. */
  onDrain(): void;
}

/** One request-response exchange on a connection. */
export interface CodecStream extends StreamSink {
  handler: StreamHandler;
  /** Stops and restarts reading this stream's incoming data (back-pressure). Not counted: one `resume` undoes any number of pauses. */
  pause(): void;
  resume(): void;
  /** The peer wants the connection closed after this exchange: "connection: close", or HTTP/1.0 without keep-alive. */
  readonly peerWantsClose: boolean;
  /** "HTTP/1.0", "HTTP/1.1" or "HTTP/2", of the received message. */
  readonly protocol: string;
  /** Bytes on the wire for this stream so far: head and body with framing. */
  readonly wireBytesReceived: number;
  readonly wireBytesSent: number;
}

/** `ByteSink.writeBytes` copies at once what is not longer than this. */
export const COPIED_WRITE = 4096;

/** Something that has bytes of its own to write. */
export interface TurnWriter {
  /** Passes them to the sink now. */
  flush(): void;
}

/** Something to do when nothing of a turn is on the call stack any more. */
export interface Deferred {
  runDeferred(): void;
}

/** Where a codec writes. Implemented by net/connection.ts; a test can pass an array. */
export interface ByteSink {
  /** Queues latin1 text. Written soon, together with what else is queued. */
  writeText(text: string): void;
  /**
   * Queues bytes that stay valid until the end of the turn; up to COPIED_WRITE of them are copied before the call returns.
   * Returns false above the high watermark.
   */
  writeBytes(bytes: Buffer): boolean;
  /** Asks for one `writer.flush()` before the next write. Without it a codec writes at the end of each call. */
  beforeWrite?(writer: TurnWriter): void;
  /** Runs `work` when this turn's callers have returned. Without it a codec goes on at once. */
  afterTurn?(work: Deferred): void;
  /** Stops reading from the peer. Counted: as many resumes as pauses are needed. */
  pauseReading(): void;
  resumeReading(): void;
}

/** What a server connection's codec tells its owner. */
export interface ServerCodecHandler {
  /** A request begins; returns who handles it. */
  onStream(stream: CodecStream): StreamHandler;
  /** Nothing more will come: close after what is queued is written. `reason` is for logs and stats. */
  onClose(reason: "done" | "protocol-error" | "drained"): void;
}

export interface Codec {
  readonly protocol: "HTTP/1.0" | "HTTP/1.1" | "HTTP/2";
  readonly activeStreams: number;
  /** Feeds received bytes; lent until the call returns. */
  feed(bytes: Buffer, start: number, end: number): void;
  /** The peer half-closed. */
  onEnd(): void;
  /** The connection is gone; open streams get `onReset`. */
  onConnectionClosed(detail: string): void;
  /** Below the low watermark again. */
  onDrain(): void;
}

export interface ServerCodec extends Codec {
  /** Finish open streams, take no new ones, tell the peer ("connection: close", GOAWAY), then `onClose("drained")`. */
  drain(): void;
}

/** What a client connection's codec tells the pool. */
export interface ClientCodecHandler {
  /** A stream ended in good order and the connection can take another one. */
  onIdle(): void;
  /** No further stream may be opened; the connection is to be closed now (when `activeStreams` is 0) or later. */
  onUnusable(reason: "close" | "protocol-error" | "go-away" | "unfinished-request"): void;
  /** A body that is long, or may be, comes in (true) or is over (false): a hint how to read from the socket. */
  onLongBody?(on: boolean): void;
}

export interface ClientCodec extends Codec {
  /** Opens a stream; call `headers` on it next. HTTP/1.1 takes one at a time. */
  newStream(handler: StreamHandler): CodecStream;
  /** How many more streams could be opened now. */
  readonly availableStreams: number;
}
