import type { Clock } from "../../base/clock.ts";
import type { HeaderMap } from "../header-map.ts";
import type { Metadata } from "../metadata.ts";
import type { ByteSink, ResetReason } from "../stream.ts";
import { InboundBudgets, outboundFlood } from "./budgets.ts";
import { COUNTER_OF_DETAIL, type H2CodecStats, type Level } from "./codec-stats.ts";
import {
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  INTERNAL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  STREAM_CLOSED,
  type ErrorCode,
} from "./error-code.ts";
import type { ConnectionSide } from "./connection-side.ts";
import { fieldSection, NO_FAULT, UNWANTED, VIOLATION, type SectionKind } from "./field-section.ts";
import { fieldWriter } from "./field-writer.ts";
import { MAX_WINDOW } from "./flow-control.ts";
import { writeGoAway, writePingAck, writeRstStream, writeSettingsAck } from "./frame/control.ts";
import { FrameReader, type FrameHandler } from "./frame/frame-reader.ts";
import { FRAME_HEADER } from "./frame/frame-type.ts";
import { FrameWriter } from "./frame/frame-writer.ts";
import { endHeaders } from "./frame/headers.ts";
import { writeMetadata } from "./frame/metadata.ts";
import { writePrologue } from "./frame/prologue.ts";
import { H2Stream, type StreamOwner } from "./h2-stream.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { HpackEncoder } from "./hpack/encoder.ts";
import { Inbound, type InboundOwner } from "./inbound.ts";
import { MetadataReader } from "./metadata-reader.ts";
import type { H2Options } from "./options.ts";
import { Outbound, type OutboundOwner } from "./outbound.ts";
import { RecentResets } from "./recent-resets.ts";
import { codeOfReset, outlivesReset, resetOfCode } from "./reset-code.ts";
import { PeerSettings } from "./settings.ts";
import { StreamTable } from "./stream-table.ts";
import { CLOSED, LOCAL_CLOSED, REMOTE_CLOSED } from "./state.ts";

/** What both sides of an HTTP/2 connection have in common (RFC 9113 sections 3.4 to 6). */
export class H2Connection implements FrameHandler, StreamOwner, InboundOwner, OutboundOwner {
  readonly writer: FrameWriter;
  readonly encoder: HpackEncoder;
  readonly peer = new PeerSettings();
  readonly budgets: InboundBudgets;
  readonly streamWindow: number;
  readonly stats: H2CodecStats;
  stopped = false;
  /** Highest stream that the peer has opened. */
  lastPeerStream = 0;
  /** Highest stream that we have opened. */
  lastOwnStream = 0;
  readonly #side: ConnectionSide;
  readonly #streamsActive: Level;
  readonly #options: H2Options;
  readonly #decoder: HpackDecoder;
  readonly #reader: FrameReader;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #writesLater: boolean;
  readonly #streams = new StreamTable();
  #depth = 0;
  readonly #resets = new RecentResets();

  constructor(side: ConnectionSide, sink: ByteSink, options: H2Options, clock: Clock, stats: H2CodecStats) {
    this.#side = side;
    this.#options = options;
    this.stats = stats;
    this.#streamsActive = stats.streams_active;
    this.streamWindow = options.initialStreamWindowSize;
    this.writer = new FrameWriter(sink);
    this.#writesLater = sink.beforeWrite !== undefined;
    this.encoder = new HpackEncoder(options.hpackTableSize);
    this.#decoder = new HpackDecoder(options.hpackTableSize);
    this.budgets = new InboundBudgets(options, clock);
    this.#reader = new FrameReader(this, side.isServer, options.maxHeaderBytes);
    this.#outbound = new Outbound(this, this.writer, this.encoder, this.budgets, stats.pending_send_bytes);
    this.#inbound = new Inbound(this, this.writer, options);
    this.enter();
    writePrologue(this.writer, options, side.isServer);
    this.leave();
  }

  get activeStreams(): number {
    return this.#streams.size;
  }

  feed(bytes: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    this.#depth++;
    this.#reader.read(bytes, start, end);
    this.leave();
  }

  /** To be called first by whatever writes outside of `feed`; `leave` follows. */
  enter(): void {
    this.#depth++;
  }

  leave(): void {
    if (--this.#depth > 0) return;
    // A turn writes few control frames unless it is a flood.
    if ((this.writer.blocked || this.writer.controlFrames > A_FEW) && !this.stopped)
      this.#charge(outboundFlood(this.writer, this.#options));
    if (!this.#writesLater) this.writer.flush();
  }

  drained(): void {
    if (this.stopped) return;
    this.enter();
    this.writer.drained();
    this.#outbound.pump();
    for (const stream of this.#streams.list()) this.#outbound.tellDrain(stream);
    this.leave();
  }

  /** The transport is gone, or is of no use any more. */
  close(reason: ResetReason, detail: string): void {
    if (this.stopped) return;
    this.stopped = true;
    this.#reader.clear();
    for (const stream of this.openStreams()) this.release(stream, reason, detail);
  }

  /** A connection error (RFC 9113 section 5.4.1). */
  fail(code: ErrorCode, detail: string): void {
    if (this.stopped) return;
    this.enter();
    writeGoAway(this.writer, this.lastPeerStream, code);
    this.#giveUp(detail);
    this.leave();
  }

  /** Puts a new stream into the table. */
  open(id: number): H2Stream {
    const stream = new H2Stream(this, id, this.peer.initialWindowSize);
    this.#streams.add(stream);
    this.#streamsActive.inc();
    this.budgets.streams++;
    return stream;
  }

  /** Takes a stream out of the table and, with a reason, tells its handler. `faulty` if it is the peer's doing. */
  release(stream: H2Stream, reason?: ResetReason, detail = "", faulty = false): void {
    if (stream.over) return;
    stream.state = CLOSED;
    this.#outbound.remove(stream);
    const unused = stream.finish();
    this.#streams.remove(stream);
    this.#streamsActive.dec();
    this.#inbound.remove(stream, this.stopped ? 0 : unused);
    if (reason !== undefined) stream.handler.onReset(reason, detail);
    this.#side.onStreamOver(stream, faulty, reason);
  }

  /** Resets a stream: tells the peer and, with a reason, the handler, since then it is the peer's doing. */
  abort(stream: H2Stream, code: ErrorCode, reason?: ResetReason, detail = ""): void {
    if (stream.over) return;
    this.reset(stream.id, code);
    this.release(stream, reason, detail, reason !== undefined);
  }

  /** Resets a stream whose message we do not want (`UNWANTED`). */
  refuse(stream: H2Stream, detail: string): void {
    this.#count(detail);
    this.abort(stream, INTERNAL_ERROR, "remote-reset", detail);
  }

  /** Writes RST_STREAM and remembers it, so that what is under way on the stream does no harm. */
  reset(id: number, code: ErrorCode): void {
    writeRstStream(this.writer, id, code);
    this.stats.tx_reset.inc();
    this.#resets.add(id);
  }

  wasReset(id: number): boolean {
    return this.#resets.has(id);
  }

  /** Decodes a field block into `fieldSection`. False if the connection failed. */
  decode(kind: SectionKind, bytes: Buffer, start: number, end: number): boolean {
    fieldSection.begin(kind, this.#options);
    if (!this.#decoder.decode(bytes, start, end, fieldSection)) {
      fieldSection.map.release();
      this.fail(COMPRESSION_ERROR, "http2.compression_error");
      return false;
    }
    fieldSection.end();
    if (fieldSection.dropped > 0) this.stats.dropped_headers_with_underscores.add(fieldSection.dropped);
    return true;
  }

  /** A stream's message turned out to be malformed (section 8.1.1). */
  malformed(stream: H2Stream, detail: string): void {
    this.stats.rx_messaging_error.inc();
    if (this.#options.overrideStreamErrorOnInvalidHttpMessage)
      this.abort(stream, PROTOCOL_ERROR, "protocol-error", detail);
    else this.fail(PROTOCOL_ERROR, detail);
  }

  broken(stream: H2Stream, code: ErrorCode, detail: string): void {
    this.abort(stream, code, "protocol-error", detail);
  }

  /** A body that is not as long as was announced. Unlike other faults this never ends the connection in Envoy. */
  wrongLength(stream: H2Stream): void {
    this.abort(stream, PROTOCOL_ERROR, "protocol-error", "http2.remote_reset");
  }

  /** The trailers of a stream: a block after the head, which must end the stream. */
  trailers(
    stream: H2Stream,
    kind: SectionKind,
    bytes: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): void {
    if (!this.decode(kind, bytes, start, end)) return;
    if (this.#side.isServer) this.stats.trailers.inc();
    const { map, fault, detail } = fieldSection;
    const mismatch = stream.expected >= 0 && stream.received !== stream.expected;
    if (fault === NO_FAULT && endStream && !mismatch) {
      stream.state |= REMOTE_CLOSED;
      stream.receiveTrailers(map);
      return;
    }
    map.release();
    if (fault === UNWANTED) this.refuse(stream, detail);
    else this.malformed(stream, detail === "" ? VIOLATION : detail);
  }

  /** Every open stream, for whoever ends some of them. */
  openStreams(): H2Stream[] {
    return this.#streams.list();
  }

  onData(id: number, length: number, content: number, endStream: boolean): void {
    this.#inbound.begin(id, length, content, endStream);
  }

  onDataPart(bytes: Buffer, start: number, end: number, last: boolean): void {
    this.#inbound.part(bytes, start, end, last);
  }

  onDataEnd(): void {
    this.#inbound.end();
  }

  onDataWithoutStream(id: number): void {
    if (this.#isIdle(id)) this.fail(PROTOCOL_ERROR, VIOLATION);
    else if (!this.wasReset(id)) this.reset(id, STREAM_CLOSED);
  }

  onLongBodies(on: boolean): void {
    this.#side.onLongBodies(on);
  }

  stream(id: number): H2Stream | undefined {
    return this.#streams.get(id);
  }

  onHeaders(id: number, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) stream.wireBytesReceived += end - start + FRAME_HEADER;
    this.#side.onHeaders(id, stream, bytes, start, end, endStream);
  }

  onPriority(_id: number): void {
    this.#charge(this.budgets.onPriority());
  }

  onRstStream(id: number, code: ErrorCode): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (this.#isIdle(id)) this.fail(PROTOCOL_ERROR, VIOLATION);
      return;
    }
    this.stats.rx_reset.inc();
    if (outlivesReset(stream, code, this.#side.isServer)) return this.#outbound.remove(stream);
    const reason = resetOfCode(code, this.#side.isServer);
    const refused = reason === "remote-refused-stream-reset";
    this.release(stream, reason, refused ? "http2.remote_refuse" : "http2.remote_reset", true);
  }

  onSettings(bytes: Buffer, start: number, end: number): void {
    this.#charge(this.budgets.onControlFrame());
    if (this.stopped) return;
    const { peer } = this;
    const windowBefore = peer.initialWindowSize;
    const error = peer.apply(bytes, start, end, !this.#side.isServer);
    if (error !== NO_ERROR) return this.fail(error, "http2.invalid_settings");
    this.encoder.setPeerLimit(peer.headerTableSize);
    writeSettingsAck(this.writer);
    const change = peer.initialWindowSize - windowBefore;
    if (change === 0) return;
    for (const stream of this.#streams.list()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW) return this.fail(FLOW_CONTROL_ERROR, "http2.flow_control_error");
    }
    if (change > 0) this.#outbound.pump();
  }

  onSettingsAck(): void {
    this.#decoder.acknowledged(this.#options.hpackTableSize);
    this.#charge(this.budgets.onControlFrame());
  }

  onPing(bytes: Buffer, start: number): void {
    this.#charge(this.budgets.onControlFrame());
    if (!this.stopped) writePingAck(this.writer, bytes, start);
  }

  onPingAck(bytes: Buffer, start: number): void {
    this.#charge(this.budgets.onControlFrame());
    if (!this.stopped) this.#side.onPingAck(bytes, start);
  }

  onGoAway(lastStreamId: number, code: ErrorCode): void {
    this.#charge(this.budgets.onControlFrame());
    if (!this.stopped) this.#side.onGoAway(lastStreamId, code);
  }

  onWindowUpdate(id: number, increment: number): void {
    this.#charge(this.budgets.onWindowUpdate());
    if (this.stopped) return;
    if (id === 0) {
      if (increment === 0) return this.fail(PROTOCOL_ERROR, VIOLATION);
      this.#outbound.window += increment;
      if (this.#outbound.window > MAX_WINDOW)
        return this.fail(FLOW_CONTROL_ERROR, "http2.flow_control_error");
      return this.#outbound.pump();
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (this.#isIdle(id)) this.fail(PROTOCOL_ERROR, VIOLATION);
      return;
    }
    if (increment === 0) return this.broken(stream, PROTOCOL_ERROR, VIOLATION);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW)
      return this.broken(stream, FLOW_CONTROL_ERROR, "http2.flow_control_error");
    if (stream.outbound !== null) this.#outbound.pumpStream(stream, Number.POSITIVE_INFINITY);
  }

  onMetadata(id: number, bytes: Buffer, start: number, end: number, last: boolean): void {
    const { allowMetadata, maxMetadataSize } = this.#options;
    this.#charge(this.budgets.onControlFrame());
    const stream = this.#streams.get(id);
    if (!allowMetadata || this.stopped || stream === undefined || stream.remoteClosed) return;
    const reader = (stream.metadataReader ??= new MetadataReader(maxMetadataSize));
    if (!reader.add(bytes, start, end)) return this.#giveUp(BAD_METADATA);
    if (!last || end === start) return;
    const metadata = reader.end();
    if (metadata === undefined) this.#giveUp(BAD_METADATA);
    else if (metadata.size === 0) this.stats.metadata_empty_frames.inc();
    else stream.handler.onMetadata?.(metadata);
  }

  onUnknownFrame(): void {
    this.#charge(this.budgets.onControlFrame());
  }

  onPayloadFrame(useful: boolean): void {
    this.#charge(this.budgets.onPayloadFrame(useful));
  }

  onStreamError(id: number, code: ErrorCode): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.broken(stream, code, VIOLATION);
    else if (this.#isIdle(id)) this.fail(code, VIOLATION);
    else this.reset(id, code);
  }

  sendInterim(stream: H2Stream, status: number, headers: HeaderMap | undefined): void {
    if (!this.#side.isServer || status === 101) return;
    this.enter();
    fieldWriter.response(this.encoder, this.writer, headers, status);
    stream.wireBytesSent += endHeaders(this.writer, stream.id, false);
    this.leave();
  }

  sendHeaders(stream: H2Stream, headers: HeaderMap, end: boolean): void {
    this.enter();
    this.#side.writeHead(stream, headers);
    stream.wireBytesSent += endHeaders(this.writer, stream.id, end);
    if (end) this.localEnded(stream);
    this.leave();
  }

  sendData(stream: H2Stream, chunk: Buffer, end: boolean): boolean {
    if (!end && (chunk.length === 0 || stream.silent)) return !stream.wantsDrain;
    this.enter();
    const open = this.#outbound.data(stream, stream.silent ? EMPTY : chunk, end);
    this.leave();
    return open;
  }

  sendTrailers(stream: H2Stream, trailers: HeaderMap): void {
    this.enter();
    this.#outbound.trailers(stream, trailers);
    this.leave();
  }

  sendMetadata(stream: H2Stream, metadata: Metadata): void {
    if (!this.#options.allowMetadata) return;
    this.enter();
    writeMetadata(this.writer, stream.id, metadata);
    this.leave();
  }

  sendReset(stream: H2Stream, reason: ResetReason): void {
    this.enter();
    this.#side.onLocalReset();
    this.abort(stream, codeOfReset(reason));
    this.leave();
  }

  used(stream: H2Stream, bytes: number): void {
    this.#inbound.used(stream, bytes);
  }

  giveCredit(stream: H2Stream): void {
    this.enter();
    this.#inbound.credit(stream);
    this.leave();
  }

  inboundEnded(stream: H2Stream): void {
    this.enter();
    this.#side.onInboundEnd(stream);
    this.leave();
  }

  localEnded(stream: H2Stream): void {
    stream.state |= LOCAL_CLOSED;
    this.#side.onLocalEnd(stream);
  }

  stalled(stream: H2Stream): void {
    this.#side.onStalled(stream);
  }

  /** Ends the connection as if the peer knew why. */
  #giveUp(detail: string): void {
    // The owner closes when it hears of it: nothing may be left behind.
    this.writer.flush();
    this.close("protocol-error", detail);
    this.#side.onFailure();
  }

  /** Whether nobody has opened the stream yet. */
  #isIdle(id: number): boolean {
    const fromPeer = (id & 1) === (this.#side.isServer ? 1 : 0);
    return id > (fromPeer ? this.lastPeerStream : this.lastOwnStream);
  }

  #charge(flood: string): void {
    if (flood === "") return;
    this.#count(flood);
    this.fail(ENHANCE_YOUR_CALM, flood);
  }

  #count(detail: string): void {
    const counter = COUNTER_OF_DETAIL[detail];
    if (counter !== undefined) this.stats[counter].inc();
  }
}

const A_FEW = 16;
/** In Envoy's words, which says no more of it. */
const BAD_METADATA = "codec_error:The_user_callback_function_failed";
const EMPTY: Buffer = Buffer.alloc(0);
