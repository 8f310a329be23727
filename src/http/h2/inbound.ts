import { FLOW_CONTROL_ERROR, STREAM_CLOSED, type ErrorCode } from "./error-code.ts";
import { VIOLATION } from "./field-section.ts";
import { DEFAULT_WINDOW, ReceiveWindow } from "./flow-control.ts";
import { writeWindowUpdate } from "./frame/control.ts";
import { FRAME_HEADER } from "./frame/frame-type.ts";
import type { FrameWriter } from "./frame/frame-writer.ts";
import type { H2Stream } from "./h2-stream.ts";
import type { H2Options } from "./options.ts";
import { REMOTE_CLOSED } from "./state.ts";

/** What the receiving half asks of its connection. */
export interface InboundOwner {
  stream(id: number): H2Stream | undefined;
  /** DATA on a stream that is closed, or that nobody has opened. */
  onDataWithoutStream(id: number): void;
  /** A stream error that is the peer's doing. */
  broken(stream: H2Stream, code: ErrorCode, detail: string): void;
  /** The message is malformed. */
  malformed(stream: H2Stream, detail: string): void;
  /** The body is not as long as was announced. */
  wrongLength(stream: H2Stream): void;
  fail(code: ErrorCode, detail: string): void;
  /** At least one long body comes in (true), or none any more. */
  onLongBodies(on: boolean): void;
}

/** Bytes of a body from which on it is worth a read buffer of its own. */
const LONG_BODY = 65_536;
const EMPTY: Buffer = Buffer.alloc(0);
const WINDOW_EXCEEDED = "http2.flow_control_error";

/** The receiving half of flow control: DATA goes to its stream, and what has been used is credited to the peer. */
export class Inbound {
  readonly #owner: InboundOwner;
  readonly #writer: FrameWriter;
  readonly #streamWindow: number;
  readonly #window: ReceiveWindow;
  /** Receiver of the DATA frame under way; null if its bytes are of no use. */
  #stream: H2Stream | null = null;
  #length = 0;
  #content = 0;
  #endsStream = false;
  #longBodies = 0;

  constructor(owner: InboundOwner, writer: FrameWriter, options: H2Options) {
    this.#owner = owner;
    this.#writer = writer;
    this.#streamWindow = options.initialStreamWindowSize;
    this.#window = new ReceiveWindow(Math.max(options.initialConnectionWindowSize, DEFAULT_WINDOW));
  }

  /** A DATA frame begins; see FrameHandler. */
  begin(id: number, length: number, content: number, endStream: boolean): void {
    const owner = this.#owner;
    this.#length = length;
    this.#content = content;
    this.#endsStream = endStream;
    if (!this.#window.receive(length)) return owner.fail(FLOW_CONTROL_ERROR, WINDOW_EXCEEDED);
    const stream = (this.#stream = owner.stream(id) ?? null);
    if (stream === null) return owner.onDataWithoutStream(id);
    stream.wireBytesReceived += length + FRAME_HEADER;
    if (stream.remoteClosed) return owner.broken(stream, STREAM_CLOSED, "http2.stream_closed");
    if (!stream.headersReceived) return owner.malformed(stream, VIOLATION);
    // A body of one frame needs no count.
    if (length > 0 && (!endStream || stream.receiveWindow !== null || length > this.#streamWindow)) {
      const window = (stream.receiveWindow ??= new ReceiveWindow(this.#streamWindow));
      if (!window.receive(length)) return owner.broken(stream, FLOW_CONTROL_ERROR, WINDOW_EXCEEDED);
    }
    stream.received += content;
    if (stream.received > LONG_BODY && !stream.isLong) this.#setLong(stream, true);
    const { expected, received } = stream;
    if (expected >= 0 && (endStream ? received !== expected : received > expected))
      return owner.wrongLength(stream);
    if (!endStream) return;
    stream.state |= REMOTE_CLOSED;
    if (content === 0) stream.receive(EMPTY, 0, 0, true);
  }

  part(bytes: Buffer, start: number, end: number, last: boolean): void {
    const stream = this.#stream;
    if (stream !== null && !stream.over) stream.receive(bytes, start, end, last && this.#endsStream);
    else this.#window.use(end - start);
  }

  /** All of the DATA frame has come. */
  end(): void {
    const stream = this.#stream;
    this.#stream = null;
    // Padding is used up by nobody.
    const padding = this.#length - this.#content;
    this.#window.use(padding);
    if (stream !== null && !stream.over) {
      stream.receiveWindow?.use(padding);
      this.credit(stream);
    } else this.#creditConnection();
  }

  used(stream: H2Stream, bytes: number): void {
    this.#window.use(bytes);
    stream.receiveWindow?.use(bytes);
  }

  /** Announces what has been used of the stream and of the connection, if it is enough. */
  credit(stream: H2Stream): void {
    const used = stream.remoteClosed || stream.receiveWindow === null ? 0 : stream.receiveWindow.takeCredit();
    if (used > 0) writeWindowUpdate(this.#writer, stream.id, used);
    this.#creditConnection();
  }

  /** The stream is over; nobody will use `unused` bytes that it has kept. */
  remove(stream: H2Stream, unused: number): void {
    if (stream.isLong) this.#setLong(stream, false);
    if (unused === 0) return;
    this.#window.use(unused);
    this.#creditConnection();
  }

  #setLong(stream: H2Stream, on: boolean): void {
    stream.isLong = on;
    this.#longBodies += on ? 1 : -1;
    if (this.#longBodies === (on ? 1 : 0)) this.#owner.onLongBodies(on);
  }

  #creditConnection(): void {
    const used = this.#window.takeCredit();
    if (used > 0) writeWindowUpdate(this.#writer, 0, used);
  }
}
