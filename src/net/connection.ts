import { connect as netConnect, type NetConnectOpts, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { latin1 } from "../base/latin1.ts";
import { COPIED_WRITE, type ByteSink, type Deferred, type TurnWriter } from "../http/stream.ts";
import type { NetContext } from "./net-context.ts";
import type { BufferHolder } from "./stream-buffers.ts";
import { tlsFailureText } from "./tls/tls-error.ts";
import type { TlsInfo } from "./tls/tls-info.ts";
import type { Flushable } from "./write-turn.ts";

/** What a connection calls. */
export interface ConnectionHandler {
  /** An outgoing connection stands. Never called for accepted ones. */
  onConnect(): void;
  /** Received bytes[start, end), lent until the call returns. */
  onBytes(bytes: Buffer, start: number, end: number): void;
  /** The peer half-closed. The connection stays writable until it is closed. */
  onEnd(): void;
  /** What was queued has been written. */
  onDrain(): void;
  /**
   * The last call. `error` is a system error code such as "ECONNREFUSED", Envoy's text of a TLS failure ("TLS_error:…"),
   * or "" for an orderly close.
   */
  onClose(error: string): void;
}

/**
 * Bytes of a read whose memory is freed by hand. Node allocates 64 KiB for each read of an accepted socket, and left to the
 * collector they cost a full collection every 64 MB: half of an upload's time.
 */
const FREED_READ = 8192;

/** After a read of so many bytes, more are expected. */
const LONG_READ = 16_384;

/** Queued bytes that are written at once and do not wait for more. */
const FLUSH_LIMIT = 65_536;

/**
 * A TCP or unix socket as codecs want it: bytes in by one callback, text and bytes out with one write per round of the
 * event loop, counted pauses. Reads of an outgoing connection go to the thread's shared buffer, or, while a long body streams
 * (`streamReads`), to one that it borrows, so that its bytes can be written on without a copy.
 */
export class Connection implements ByteSink, Flushable, BufferHolder {
  readonly socket: Socket;
  handler: ConnectionHandler;
  bytesReceived = 0;
  bytesSent = 0;
  /** Undefined on plaintext connections, and before the handshake is through. */
  tls: TlsInfo | undefined;
  /** The socket below TLS, where it is known. */
  readonly #raw: Socket;
  readonly #context: NetContext;
  /** Whether a read that fills its memory has it alone: what is freed must not be missing in the next read. */
  readonly #ownReads: boolean;
  #text = "";
  #chunks: (string | Buffer)[] | null = null;
  #queued = 0;
  #dirty = false;
  #gathered = false;
  #pauses = 0;
  #blocked = false;
  #closed = false;
  #ended = false;
  #error = "";
  /** What a long body is read into. */
  #borrowed: Buffer | null = null;
  /** What others read into and this connection still writes. */
  #kept: Buffer[] | null = null;
  #onWritten: (() => void) | null = null;
  #writer: TurnWriter | null = null;
  #streams = false;

  /**
   * Wraps a socket that a listener accepted (`allowHalfOpen` and `noDelay` set there). After a TLS handshake `socket` is
   * the secure one and `raw` the one below it.
   */
  static accept(socket: Socket, context: NetContext, handler: ConnectionHandler, raw = socket): Connection {
    const connection = new Connection(socket, context, handler, raw);
    socket.on("data", (bytes: Buffer) => connection.#receive(bytes, bytes.length, false));
    return connection;
  }

  /** Opens a connection. `onConnect` or `onClose` follows. */
  static connect(
    options: NetConnectOpts,
    context: NetContext,
    handler: ConnectionHandler,
    /** Goes before everything else. */
    preamble?: Buffer,
  ): Connection {
    // The read callbacks exist before the connection does.
    let connection: Connection | undefined;
    let recent = 0;
    const socket = netConnect({
      noDelay: true,
      allowHalfOpen: true,
      ...options,
      onread: {
        buffer: () => (connection === undefined ? context.sharedBuffer : connection.#nextReadBuffer(recent)),
        callback: (length: number, buffer: Uint8Array) => {
          // A short read among long ones does not count.
          recent = Math.max(length, recent >>> 1);
          connection!.#receive(buffer as Buffer, length, buffer === context.sharedBuffer);
          return true;
        },
      },
    });
    connection = new Connection(socket, context, handler);
    if (preamble !== undefined) socket.write(preamble);
    socket.once("connect", () => connection.#connected());
    return connection;
  }

  /**
   * Wraps an outgoing TLS connection whose handshake was started. `settle` looks at the finished handshake and returns
   * what is known of it, or why the peer is refused.
   */
  static overTls(
    socket: TLSSocket,
    settle: () => TlsInfo | string,
    context: NetContext,
    handler: ConnectionHandler,
  ): Connection {
    const connection = new Connection(socket, context, handler);
    socket.on("data", (bytes: Buffer) => connection.#receive(bytes, bytes.length, false));
    socket.once("secureConnect", () => {
      const result = settle();
      if (typeof result === "string") {
        connection.#error = result;
        connection.destroy();
      } else {
        connection.tls = result;
        connection.#connected();
      }
    });
    return connection;
  }

  private constructor(socket: Socket, context: NetContext, handler: ConnectionHandler, raw = socket) {
    this.socket = socket;
    this.#raw = raw;
    this.#ownReads = !("encrypted" in socket);
    this.handler = handler;
    this.#context = context;
    socket.on("end", () => this.#inTurn(() => this.handler.onEnd()));
    socket.on("drain", () => this.#drained());
    socket.on("error", (error: NodeJS.ErrnoException) => (this.#error = errorText(error)));
    socket.on("close", () => this.#gone());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes waiting to be written. */
  get buffered(): number {
    return this.#queued + this.socket.writableLength;
  }

  /** Whether writers should wait for `onDrain`. */
  get blocked(): boolean {
    return this.#blocked;
  }

  writeText(text: string): void {
    if (this.#closed || this.#ended) return;
    this.#text += text;
    this.#queued += text.length;
    this.#gather();
  }

  writeBytes(bytes: Buffer): boolean {
    if (this.#closed || this.#ended) return false;
    // One short string is cheaper than a vector of two.
    if (bytes.length <= COPIED_WRITE) {
      this.#text += latin1(bytes, 0, bytes.length);
      this.#gather();
    } else {
      this.#mark();
      this.#chunks ??= [];
      if (this.#text !== "") {
        this.#chunks.push(this.#text);
        this.#text = "";
      }
      this.#chunks.push(this.#context.lent ? Buffer.from(bytes) : bytes);
    }
    this.#queued += bytes.length;
    if (this.#queued >= FLUSH_LIMIT) this.flush();
    return !this.#blocked;
  }

  beforeWrite(writer: TurnWriter): void {
    if (this.#closed || this.#ended) return;
    this.#writer = writer;
    this.#gather();
  }

  afterTurn(work: Deferred): void {
    this.#context.turn.defer(work);
  }

  /** Writes what is queued now. Called in due time; call it only to be earlier than that. */
  flush(): void {
    const writer = this.#writer;
    if (writer !== null) {
      this.#dirty = this.#gathered = true;
      this.#writer = null;
      writer.flush();
    }
    this.#dirty = this.#gathered = false;
    if (this.#queued === 0 || this.#closed) return;
    const socket = this.socket;
    const chunks = this.#chunks;
    const text = this.#text;
    this.bytesSent += this.#queued;
    this.#queued = 0;
    this.#text = "";
    if (chunks === null) {
      // Whatever is written behind a kept buffer tells when it is through.
      const told = this.#kept === null ? undefined : this.#onWritten!;
      if (!socket.write(text, "latin1", told)) this.#blocked = true;
      return;
    }
    this.#chunks = null;
    if (text !== "") chunks.push(text);
    const written = (this.#onWritten ??= () => this.#release());
    // Nearly always there is one: part of a long body. Gathering it as a vector would cost more than to write it.
    const several = chunks.length > 1;
    if (several) socket.cork();
    for (let i = 0; i < chunks.length; i++) {
      const chunk = chunks[i]!;
      if (
        !(typeof chunk === "string" ? socket.write(chunk, "latin1", written) : socket.write(chunk, written))
      )
        this.#blocked = true;
    }
    if (several) socket.uncork();
    if (socket.writableLength !== 0) this.#context.hold(this);
    else this.#blocked = false;
  }

  pauseReading(): void {
    if (++this.#pauses === 1) this.socket.pause();
  }

  resumeReading(): void {
    if (this.#pauses > 0 && --this.#pauses === 0 && !this.#closed) this.socket.resume();
  }

  keep(buffer: Buffer): void {
    (this.#kept ??= []).push(buffer);
  }

  /** A long body is coming (true) or is over: as long as reads bring much, they go to a large buffer that is not shared. */
  streamReads(on: boolean): void {
    this.#streams = on;
  }

  /** Writes what is queued, then half-closes; the socket is gone when the peer closes too. */
  end(): void {
    if (this.#closed || this.#ended) return;
    this.flush();
    this.#ended = true;
    this.socket.end();
  }

  /** Writes what is queued, half-closes and closes without waiting for the peer. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#ended = true;
    this.socket.destroySoon();
  }

  /** Closes at once; what is queued is lost. */
  destroy(): void {
    this.#ended = true;
    this.socket.destroy();
  }

  /** Closes at once, and with a TCP RST if bytes were received that nobody took: as the system does with unread bytes. */
  discard(): void {
    if (this.socket.readableLength > 0) this.reset();
    else this.destroy();
  }

  /** Closes at once with a TCP RST. */
  reset(): void {
    this.#ended = true;
    // Only the TCP socket itself can be reset.
    if ("encrypted" in this.#raw) this.#raw.destroy();
    else this.#raw.resetAndDestroy();
  }

  /** Text and copied bytes wait until all that can be read now has been. */
  #gather(): void {
    if (this.#gathered) return;
    this.#gathered = true;
    this.#context.turn.gather(this);
  }

  /** Bytes that are not copied are valid until the end of the turn. */
  #mark(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#context.turn.add(this);
  }

  #connected(): void {
    this.#inTurn(() => this.handler.onConnect());
  }

  #receive(bytes: Buffer, length: number, shared: boolean): void {
    const context = this.#context;
    const { turn } = context;
    this.bytesReceived += length;
    if (!turn.open) context.holders = 0;
    turn.begin();
    context.lent = shared;
    this.handler.onBytes(bytes, 0, length);
    context.lent = false;
    turn.end();
    if (!shared) this.#letGo(bytes, length);
  }

  /** The turn is over: whoever wanted to keep `bytes` has copied or written them. */
  #letGo(bytes: Buffer, length: number): void {
    const context = this.#context;
    const held = context.turn.open ? Infinity : context.holders;
    if (bytes === this.#borrowed) {
      if (held === 0) return;
      if (held === 1) context.holder!.keep(bytes);
      this.#borrowed = context.streamBuffers.take();
    } else if (
      held === 0 &&
      length >= FREED_READ &&
      this.#ownReads &&
      bytes.length === bytes.buffer.byteLength
    ) {
      // Detaches the memory and frees it at once (ECMA-262, ArrayBuffer.prototype.transfer).
      (bytes.buffer as ArrayBuffer).transfer(0);
    }
  }

  #nextReadBuffer(recent: number): Buffer {
    if (this.#streams && recent >= LONG_READ) return (this.#borrowed ??= this.#context.streamBuffers.take());
    if (this.#borrowed !== null) {
      this.#context.streamBuffers.give(this.#borrowed);
      this.#borrowed = null;
    }
    return this.#context.sharedBuffer;
  }

  #release(): void {
    if (this.#kept === null || this.socket.writableLength !== 0) return;
    for (const buffer of this.#kept) this.#context.streamBuffers.give(buffer);
    this.#kept = null;
  }

  #drained(): void {
    this.#blocked = false;
    this.#inTurn(() => this.handler.onDrain());
  }

  #gone(): void {
    this.#closed = true;
    if (this.#borrowed !== null) this.#context.streamBuffers.give(this.#borrowed);
    this.#borrowed = null;
    this.#text = "";
    this.#chunks = null;
    this.#queued = 0;
    this.#inTurn(() => this.handler.onClose(this.#error));
  }

  #inTurn(work: () => void): void {
    const turn = this.#context.turn;
    turn.begin();
    work();
    turn.end();
  }
}

function errorText(error: NodeJS.ErrnoException): string {
  return tlsFailureText(error) || (error.code ?? error.message);
}
