import type { AsyncFailure, AsyncStream, AsyncStreamHandler } from "../http/async-stream.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { encodeFrame, FrameDecoder, type FrameError } from "./frame.ts";
import { GRPC_STATUS, decodeGrpcMessage, statusOfHttp, type GrpcStatus } from "./status.ts";

/** What a stream calls. `onEnd` comes exactly once, last. */
export interface GrpcStreamHandler {
  /** The server's initial metadata; lent until the call returns. Not called for responses of trailers only. */
  onHeaders?(headers: HeaderMap): void;
  onMessage(message: Buffer): void;
  /** Room again, after `send` returned false. */
  onDrain?(): void;
  onEnd(status: GrpcStatus): void;
}

/** A call in progress. */
export interface GrpcStream {
  /** Sends a message. Returns false when it is better to wait for `onDrain`: what is sent anyway is kept. */
  send(message: Uint8Array): boolean;
  /** No more messages will be sent. */
  end(): void;
  /** Stops and restarts messages: the server is slowed down once its window is used up. */
  pause(): void;
  resume(): void;
  /** Gives up; `onEnd` is not called any more. */
  cancel(): void;
}

const EMPTY = Buffer.alloc(0);

/** One call over one HTTP exchange (gRPC's PROTOCOL-HTTP2.md). */
export class ClientCall implements GrpcStream, AsyncStreamHandler {
  readonly #handler: GrpcStreamHandler;
  readonly #decoder: FrameDecoder;
  #stream: AsyncStream | undefined;
  /** Messages that wait for `resume`. */
  #kept: Buffer[] = [];
  /** How the call ended, once the messages before its end are handed over. */
  #status: GrpcStatus | undefined;
  #paused = false;
  #delivering = false;
  #done = false;

  constructor(handler: GrpcStreamHandler, maxMessage: number | undefined) {
    this.#handler = handler;
    this.#decoder = new FrameDecoder(maxMessage);
  }

  /** The exchange that carries the call; it may be over already. */
  begin(stream: AsyncStream): void {
    this.#stream = stream;
  }

  send(message: Uint8Array): boolean {
    return this.#done || this.#stream === undefined || this.#stream.data(encodeFrame(message), false);
  }

  end(): void {
    if (!this.#done) this.#stream?.data(EMPTY, true);
  }

  pause(): void {
    this.#paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
    if (!this.#paused && !this.#done) this.#stream?.resume();
  }

  cancel(): void {
    if (this.#done) return;
    this.#done = true;
    this.#kept = [];
    this.#stream?.cancel();
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    const { status } = headers;
    if (end && (status === 200 || headers.has("grpc-status"))) this.#end(statusOf(headers));
    else if (status !== 200) this.#break(statusOfHttp(status), `HTTP status ${status}`);
    else if (!this.#done) this.#handler.onHeaders?.(headers);
    headers.release();
  }

  onData(chunk: Buffer, end: boolean): void {
    if (this.#done) return;
    try {
      // They are lent, and receivers keep what they decode of them.
      for (const message of this.#decoder.push(chunk)) this.#kept.push(Buffer.from(message));
    } catch (error) {
      const { code, message } = error as FrameError;
      return this.#break(code, message);
    }
    if (end) this.#status = { code: GRPC_STATUS.unknown, message: "the response has no grpc-status" };
    this.#deliver();
  }

  onTrailers(trailers: HeaderMap): void {
    const status = statusOf(trailers);
    trailers.release();
    this.#end(status);
  }

  onDrain(): void {
    if (!this.#done) this.#handler.onDrain?.();
  }

  onFailure(reason: AsyncFailure, detail: string): void {
    const code = reason === "timeout" ? GRPC_STATUS.deadlineExceeded : GRPC_STATUS.unavailable;
    this.#end({ code, message: detail });
  }

  /** The server breaks the rules: nothing more is wanted of it. */
  #break(code: number, message: string): void {
    if (this.#done) return;
    this.#stream?.cancel();
    this.#kept = [];
    this.#end({ code, message });
  }

  #end(status: GrpcStatus): void {
    if (this.#done) return;
    this.#status ??= status;
    this.#deliver();
  }

  /** Hands over messages and then the end, as long as the receiver takes them. */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    while (!this.#done && !this.#paused && this.#kept.length > 0)
      this.#handler.onMessage(this.#kept.shift()!);
    this.#delivering = false;
    if (this.#done || this.#paused || this.#status === undefined) return;
    this.#done = true;
    this.#handler.onEnd(this.#status);
  }
}

function statusOf(headers: HeaderMap): GrpcStatus {
  const text = headers.get("grpc-status");
  if (text === undefined) return { code: GRPC_STATUS.unknown, message: "the response has no grpc-status" };
  const code = Number(text);
  return {
    code: Number.isInteger(code) ? code : GRPC_STATUS.unknown,
    message: decodeGrpcMessage(headers.get("grpc-message") ?? ""),
  };
}
