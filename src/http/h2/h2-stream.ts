import type { Timer } from "../../base/timer-wheel.ts";
import type { HeaderMap } from "../header-map.ts";
import type { Metadata } from "../metadata.ts";
import type { CodecStream, ResetReason, StreamHandler } from "../stream.ts";
import { ReceiveWindow } from "./flow-control.ts";
import type { MetadataReader } from "./metadata-reader.ts";
import { isLocalClosed, OPEN, REMOTE_CLOSED, type StreamState } from "./state.ts";

/** What a stream asks of its connection. */
export interface StreamOwner {
  /** Initial size of a stream's receive window. */
  readonly streamWindow: number;
  sendInterim(stream: H2Stream, status: number, headers: HeaderMap | undefined): void;
  sendHeaders(stream: H2Stream, headers: HeaderMap, end: boolean): void;
  sendData(stream: H2Stream, chunk: Buffer, end: boolean): boolean;
  sendTrailers(stream: H2Stream, trailers: HeaderMap): void;
  sendMetadata(stream: H2Stream, metadata: Metadata): void;
  sendReset(stream: H2Stream, reason: ResetReason): void;
  /** The handler has had bytes of a body; those of padding count too. */
  used(stream: H2Stream, bytes: number): void;
  /** Gives the peer credit for what was used. */
  giveCredit(stream: H2Stream): void;
  /** The handler has had the end of the message. */
  inboundEnded(stream: H2Stream): void;
}

/** Bytes that wait in order, and what comes after them. */
class Queue {
  readonly chunks: Buffer[] = [];
  /** First chunk that is still there. */
  head = 0;
  bytes = 0;
  end = false;
  trailers: HeaderMap | null = null;

  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
  }

  shift(): Buffer {
    const chunk = this.chunks[this.head]!;
    this.chunks[this.head++] = EMPTY;
    this.bytes -= chunk.length;
    return chunk;
  }

  get empty(): boolean {
    return this.head === this.chunks.length;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);

/** One request and its response on an HTTP/2 connection, on either side. */
export class H2Stream implements CodecStream {
  readonly id: number;
  handler!: StreamHandler;
  readonly protocol = "HTTP/2";
  readonly peerWantsClose = false;
  wireBytesReceived = 0;
  wireBytesSent = 0;
  state: StreamState = OPEN;
  /** The stream is over: its calls do nothing. */
  over = false;
  paused = false;
  headersSent = false;
  headersReceived = false;
  /** The handler has had the end of the message. */
  inboundDone = false;
  /** CONNECT: either direction may end long before the other. */
  isTunnel = false;
  isHead = false;
  /** The response sent has no body whatever the handler writes: to HEAD, 204, 304. */
  silent = false;
  /** So much has come that the owner was told of a long body. */
  isLong = false;
  /** Protocol of an upgrade that goes as extended CONNECT; "" if it is none. */
  upgrade = "";
  /** Content-Length of the message received; -1 when it has none or no body goes with it. */
  expected = -1;
  received = 0;
  /** When a server's stream began, in monotonic milliseconds. */
  openedAt = 0;
  /** What the peer lets us send. */
  sendWindow: number;
  /** What we let the peer send; null before the first DATA frame. */
  receiveWindow: ReceiveWindow | null = null;
  /** What could not be sent yet. */
  outbound: Queue | null = null;
  /** `data` returned false. */
  wantsDrain = false;
  /** Null before the first METADATA frame. */
  metadataReader: MetadataReader | null = null;
  /** Ends the stream if what waits does not go out in time. */
  flushTimer: Timer | null = null;
  /** Link of the connection's table. */
  nextInBucket: H2Stream | null = null;
  readonly #owner: StreamOwner;
  #inbound: Queue | null = null;
  #delivering = false;

  constructor(owner: StreamOwner, id: number, sendWindow: number) {
    this.#owner = owner;
    this.id = id;
    this.sendWindow = sendWindow;
  }

  interim(status: number, headers: HeaderMap | undefined): void {
    if (!this.over && !this.headersSent) this.#owner.sendInterim(this, status, headers);
  }

  headers(headers: HeaderMap, end: boolean): void {
    if (this.over || this.headersSent) return;
    this.headersSent = true;
    this.#owner.sendHeaders(this, headers, end);
  }

  data(chunk: Buffer, end: boolean): boolean {
    if (this.over || isLocalClosed(this.state) || this.outbound?.end) return true;
    return this.#owner.sendData(this, chunk, end);
  }

  trailers(trailers: HeaderMap): void {
    if (this.over || isLocalClosed(this.state) || this.outbound?.end) return;
    this.#owner.sendTrailers(this, trailers);
  }

  metadata(metadata: Metadata): void {
    if (!this.over && !isLocalClosed(this.state)) this.#owner.sendMetadata(this, metadata);
  }

  reset(reason: ResetReason): void {
    if (!this.over) this.#owner.sendReset(this, reason);
  }

  pause(): void {
    if (!this.over) this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.#inbound !== null && !this.over && !this.#delivering) this.#deliver();
  }

  /** Takes bytes[start, end) of a body from the connection. */
  receive(bytes: Buffer, start: number, end: number, last: boolean): void {
    if (this.paused || this.#inbound !== null) {
      const queue = (this.#inbound ??= new Queue());
      if (end > start) queue.push(Buffer.from(bytes.subarray(start, end)));
      if (last) queue.end = true;
      return;
    }
    if (last) this.inboundDone = true;
    this.#owner.used(this, end - start);
    this.handler.onData(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), last);
    if (last && !this.over) this.#owner.inboundEnded(this);
  }

  receiveTrailers(trailers: HeaderMap): void {
    if (this.paused || this.#inbound !== null) {
      const queue = (this.#inbound ??= new Queue());
      queue.trailers = trailers;
      queue.end = true;
      return;
    }
    this.inboundDone = true;
    this.handler.onTrailers(trailers);
    if (!this.over) this.#owner.inboundEnded(this);
  }

  /** Queues bytes that the peer has no window for; they are copied. */
  hold(bytes: Buffer, start: number, end: number, last: boolean): void {
    const queue = (this.outbound ??= new Queue());
    if (end > start) queue.push(Buffer.from(bytes.subarray(start, end)));
    if (last) queue.end = true;
  }

  /** Makes all further calls do nothing. Returns the bytes that no handler will use any more. */
  finish(): number {
    this.over = true;
    const unused = this.#inbound === null ? 0 : this.#inbound.bytes;
    this.#inbound?.trailers?.release();
    this.outbound?.trailers?.release();
    this.#inbound = this.outbound = null;
    return unused;
  }

  /** Whether nothing more may come, be it delivered or not. */
  get remoteClosed(): boolean {
    return (this.state & REMOTE_CLOSED) !== 0;
  }

  #deliver(): void {
    const queue = this.#inbound!;
    const owner = this.#owner;
    this.#delivering = true;
    while (!this.paused && !queue.empty) {
      const chunk = queue.shift();
      const last = queue.end && queue.empty && queue.trailers === null;
      if (last) this.inboundDone = true;
      owner.used(this, chunk.length);
      this.handler.onData(chunk, last);
      if (this.over) return;
    }
    if (!this.paused && !this.inboundDone && queue.end) {
      this.inboundDone = true;
      const { trailers } = queue;
      queue.trailers = null;
      if (trailers === null) this.handler.onData(EMPTY, true);
      else this.handler.onTrailers(trailers);
      if (this.over) return;
    }
    this.#delivering = false;
    if (queue.empty && (this.inboundDone || !queue.end)) this.#inbound = null;
    owner.giveCredit(this);
    if (this.inboundDone) owner.inboundEnded(this);
  }
}
