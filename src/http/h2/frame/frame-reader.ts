import { ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, PROTOCOL_ERROR, type ErrorCode } from "../error-code.ts";
import { CONTINUATION_FRAMES } from "../budgets.ts";
import { HeldBytes } from "../../held-bytes.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_METADATA,
  END_STREAM,
  FRAME_HEADER,
  GOAWAY,
  HEADERS,
  MAX_FRAME_SIZE,
  METADATA,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PRIORITY_FLAG,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frame-type.ts";

/** What a reader tells; the offsets are into lent bytes. */
export interface FrameHandler {
  /** Nothing more is to be read. */
  readonly stopped: boolean;
  /**
   * A DATA frame begins: `length` counts for flow control, `content` is without padding. Parts follow unless there is no
   * content, then `onDataEnd`.
   */
  onData(streamId: number, length: number, content: number, endStream: boolean): void;
  onDataPart(bytes: Buffer, start: number, end: number, last: boolean): void;
  onDataEnd(): void;
  /** A whole field block. */
  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean): void;
  onPriority(streamId: number): void;
  onRstStream(streamId: number, code: ErrorCode): void;
  onSettings(bytes: Buffer, start: number, end: number): void;
  onSettingsAck(): void;
  onPing(bytes: Buffer, start: number): void;
  onPingAck(bytes: Buffer, start: number): void;
  onGoAway(lastStreamId: number, code: ErrorCode): void;
  onWindowUpdate(streamId: number, increment: number): void;
  /** Part of a block of metadata, `last` if it completes it. */
  onMetadata(streamId: number, bytes: Buffer, start: number, end: number, last: boolean): void;
  /** A frame of a type that is not known. */
  onUnknownFrame(): void;
  /** A HEADERS, CONTINUATION or DATA frame; `useful` if it has content or ends its stream. */
  onPayloadFrame(useful: boolean): void;
  /** A stream error that is plain from the frame alone. */
  onStreamError(streamId: number, code: ErrorCode): void;
  /** A connection error. */
  fail(code: ErrorCode, detail: string): void;
}

/** CONTINUATION frames that a block may have however small they are; more only as far as its size needs them. */
const FREE_CONTINUATIONS = 8;
const VIOLATION = "http2.protocol_error";

/** Cuts received bytes into frames (RFC 9113 section 4.1). DATA passes through in parts, as it comes; other frames are completed first. */
export class FrameReader {
  readonly #handler: FrameHandler;
  /** Largest field block; encoded it is never much longer than decoded. */
  readonly #maxBlock: number;
  readonly #held = new HeldBytes();
  /** Bytes of the client's preface that are still to come. */
  #prefaceLeft: number;
  #sawSettings = false;
  /** Content of the current DATA frame that is still to come. */
  #dataLeft = 0;
  #paddingLeft = 0;
  #inData = false;
  /** Stream of an unfinished field block; 0 when there is none. */
  #blockStream = 0;
  #blockEndsStream = false;
  #block: HeldBytes | null = null;
  #continuations = 0;

  /** @param maxHeaderBytes limit of a field section */
  constructor(handler: FrameHandler, expectsPreface: boolean, maxHeaderBytes: number) {
    this.#handler = handler;
    this.#prefaceLeft = expectsPreface ? PREFACE.length : 0;
    this.#maxBlock = maxHeaderBytes * 2 + MAX_FRAME_SIZE;
  }

  read(bytes: Buffer, start: number, end: number): void {
    let at = start;
    if (this.#prefaceLeft > 0) at = this.#readPreface(bytes, at, end);
    const held = this.#held;
    while (held.length > 0 && at < end && !this.#handler.stopped) {
      const more = Math.min(this.#missing(), end - at);
      held.append(bytes, at, at + more);
      at += more;
      const used = this.#run(held.bytes, held.start, held.end);
      if (this.#handler.stopped) return;
      held.start = used;
      if (held.length === 0) held.clear();
    }
    if (at === end || this.#handler.stopped) return;
    at = this.#run(bytes, at, end);
    if (at < end && !this.#handler.stopped) held.append(bytes, at, end);
  }

  /** Lets go of all bytes. */
  clear(): void {
    this.#held.clear();
    this.#block = null;
  }

  #readPreface(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (this.#prefaceLeft > 0 && at < end) {
      if (bytes[at++] !== PREFACE[PREFACE.length - this.#prefaceLeft]) {
        this.#handler.fail(PROTOCOL_ERROR, "http2.invalid_preface");
        return end;
      }
      this.#prefaceLeft--;
    }
    return at;
  }

  /** Bytes without which what is held cannot be used. */
  #missing(): number {
    const { bytes, start, length } = this.#held;
    if (length < FRAME_HEADER) return FRAME_HEADER - length;
    const payload = (bytes[start]! << 16) | (bytes[start + 1]! << 8) | bytes[start + 2]!;
    // Of a DATA frame only the length of the padding has to be there.
    return FRAME_HEADER + (bytes[start + 3] === DATA ? 1 : payload) - length;
  }

  /** Takes as many frames as there are; returns the offset of the first byte that was not used. */
  #run(bytes: Buffer, start: number, end: number): number {
    const handler = this.#handler;
    let at = start;
    while (!handler.stopped) {
      if (this.#inData) {
        at = this.#passData(bytes, at, end);
        if (this.#inData) return at;
        continue;
      }
      if (end - at < FRAME_HEADER) return at;
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      const id =
        ((bytes[at + 5]! & 127) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
      if (!this.#admit(type, length, flags, id)) return end;
      const payload = at + FRAME_HEADER;
      if (type === DATA) {
        const padded = (flags & PADDED) !== 0;
        if (padded && payload === end && length > 0) return at;
        at = this.#beginData(bytes, payload, length, padded, id, (flags & END_STREAM) !== 0);
        continue;
      }
      if (end - payload < length) return at;
      at = payload + length;
      this.#frame(type, flags, id, bytes, payload, at);
    }
    return end;
  }

  /** Checks what a frame header alone can show. */
  #admit(type: number, length: number, flags: number, id: number): boolean {
    const handler = this.#handler;
    if (length > MAX_FRAME_SIZE) {
      handler.fail(FRAME_SIZE_ERROR, "http2.frame_size_error");
      return false;
    }
    if (!this.#sawSettings) {
      // The first frame of either side is SETTINGS (section 3.4).
      if (type !== SETTINGS || (flags & ACK) !== 0) {
        handler.fail(PROTOCOL_ERROR, "http2.invalid_preface");
        return false;
      }
      this.#sawSettings = true;
    }
    if (this.#blockStream !== 0 && (type !== CONTINUATION || id !== this.#blockStream)) {
      handler.fail(PROTOCOL_ERROR, VIOLATION);
      return false;
    }
    return true;
  }

  #beginData(
    bytes: Buffer,
    payload: number,
    length: number,
    padded: boolean,
    id: number,
    endStream: boolean,
  ): number {
    const handler = this.#handler;
    let at = payload;
    let content = length;
    let padding = 0;
    if (padded) {
      if (length > 0) padding = bytes[at++]!;
      content -= 1 + padding;
    }
    if (id === 0 || content < 0) {
      handler.fail(PROTOCOL_ERROR, VIOLATION);
      return at;
    }
    handler.onPayloadFrame(content > 0 || endStream);
    if (handler.stopped) return at;
    this.#dataLeft = content;
    this.#paddingLeft = padding;
    this.#inData = true;
    handler.onData(id, length, content, endStream);
    return at;
  }

  #passData(bytes: Buffer, start: number, end: number): number {
    const handler = this.#handler;
    let at = start;
    if (this.#dataLeft > 0) {
      const part = Math.min(this.#dataLeft, end - at);
      if (part === 0) return at;
      at += part;
      this.#dataLeft -= part;
      handler.onDataPart(bytes, at - part, at, this.#dataLeft === 0);
      if (this.#dataLeft > 0 || handler.stopped) return at;
    }
    const padding = Math.min(this.#paddingLeft, end - at);
    this.#paddingLeft -= padding;
    if (this.#paddingLeft > 0) return at + padding;
    this.#inData = false;
    handler.onDataEnd();
    return at + padding;
  }

  #frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const handler = this.#handler;
    const length = end - start;
    switch (type) {
      case HEADERS:
        return this.#headers(flags, id, bytes, start, end);
      case CONTINUATION:
        return this.#continuation(flags, bytes, start, end);
      case PRIORITY:
        if (id === 0) return handler.fail(PROTOCOL_ERROR, VIOLATION);
        handler.onPriority(id);
        if (handler.stopped) return;
        if (length !== 5) handler.onStreamError(id, FRAME_SIZE_ERROR);
        else if ((bytes.readUInt32BE(start) & 0x7fff_ffff) === id) handler.onStreamError(id, PROTOCOL_ERROR);
        return;
      case RST_STREAM:
        if (id === 0) return handler.fail(PROTOCOL_ERROR, VIOLATION);
        if (length !== 4) return handler.fail(FRAME_SIZE_ERROR, VIOLATION);
        return handler.onRstStream(id, bytes.readUInt32BE(start));
      case SETTINGS:
        if (id !== 0) return handler.fail(PROTOCOL_ERROR, VIOLATION);
        if ((flags & ACK) !== 0)
          return length === 0 ? handler.onSettingsAck() : handler.fail(FRAME_SIZE_ERROR, VIOLATION);
        if (length % 6 !== 0) return handler.fail(FRAME_SIZE_ERROR, VIOLATION);
        return handler.onSettings(bytes, start, end);
      case PING:
        if (id !== 0) return handler.fail(PROTOCOL_ERROR, VIOLATION);
        if (length !== 8) return handler.fail(FRAME_SIZE_ERROR, VIOLATION);
        return (flags & ACK) !== 0 ? handler.onPingAck(bytes, start) : handler.onPing(bytes, start);
      case GOAWAY:
        if (id !== 0) return handler.fail(PROTOCOL_ERROR, VIOLATION);
        if (length < 8) return handler.fail(FRAME_SIZE_ERROR, VIOLATION);
        return handler.onGoAway(bytes.readUInt32BE(start) & 0x7fff_ffff, bytes.readUInt32BE(start + 4));
      case WINDOW_UPDATE:
        if (length !== 4) return handler.fail(FRAME_SIZE_ERROR, VIOLATION);
        return handler.onWindowUpdate(id, bytes.readUInt32BE(start) & 0x7fff_ffff);
      case PUSH_PROMISE:
        // Clients must not push, and we switch it off towards servers (section 8.4).
        return handler.fail(PROTOCOL_ERROR, VIOLATION);
      case METADATA:
        return handler.onMetadata(id, bytes, start, end, (flags & END_METADATA) !== 0);
      default:
        return handler.onUnknownFrame();
    }
  }

  #headers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const handler = this.#handler;
    let from = start;
    let to = end;
    if ((flags & PADDED) !== 0) {
      if (from === to) return handler.fail(FRAME_SIZE_ERROR, VIOLATION);
      to -= bytes[from++]!;
    }
    let dependsOnItself = false;
    if ((flags & PRIORITY_FLAG) !== 0) {
      if (to - from < 5) return handler.fail(to < from ? PROTOCOL_ERROR : FRAME_SIZE_ERROR, VIOLATION);
      dependsOnItself = (bytes.readUInt32BE(from) & 0x7fff_ffff) === id;
      from += 5;
    }
    if (id === 0 || to < from) return handler.fail(PROTOCOL_ERROR, VIOLATION);
    const endStream = (flags & END_STREAM) !== 0;
    handler.onPayloadFrame(to > from || endStream);
    if (handler.stopped) return;
    if ((flags & END_HEADERS) !== 0) {
      handler.onHeaders(id, bytes, from, to, endStream);
    } else {
      this.#blockStream = id;
      this.#blockEndsStream = endStream;
      this.#continuations = 0;
      this.#block = new HeldBytes();
      this.#block.append(bytes, from, to);
    }
    if (dependsOnItself && !handler.stopped) handler.onStreamError(id, PROTOCOL_ERROR);
  }

  #continuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const handler = this.#handler;
    const block = this.#block;
    if (block === null) return handler.fail(PROTOCOL_ERROR, VIOLATION);
    handler.onPayloadFrame(end > start || (flags & END_HEADERS) !== 0);
    if (handler.stopped) return;
    block.append(bytes, start, end);
    const allowed = FREE_CONTINUATIONS + this.#maxBlock / MAX_FRAME_SIZE;
    if (++this.#continuations > allowed || block.length > this.#maxBlock) {
      this.#block = null;
      return handler.fail(ENHANCE_YOUR_CALM, CONTINUATION_FRAMES);
    }
    if ((flags & END_HEADERS) === 0) return;
    const id = this.#blockStream;
    this.#blockStream = 0;
    this.#block = null;
    handler.onHeaders(id, block.bytes, block.start, block.end, this.#blockEndsStream);
  }
}
