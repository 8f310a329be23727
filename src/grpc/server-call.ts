import { Timer, type TimerOwner, type TimerWheel } from "../base/timer-wheel.ts";
import { HeaderMap } from "../http/header-map.ts";
import type { CodecStream, StreamHandler } from "../http/stream.ts";
import { FrameDecoder, FrameError } from "./frame.ts";
import type { GrpcCall, GrpcCallHandler, GrpcMethod, GrpcPeer } from "./server-method.ts";
import { GRPC_STATUS, encodeGrpcMessage, type GrpcStatus } from "./status.ts";
import { parseGrpcTimeout } from "./timeout.ts";

/** What a call asks of the connection it is on. */
export interface CallOwner {
  readonly peer: GrpcPeer;
  readonly wheel: TimerWheel;
  /** Longest message that is accepted, in bytes. */
  readonly maxMessage: number;
  method(path: string): GrpcMethod | undefined;
  /** Why the call is not served; undefined when it is. */
  refusal(call: GrpcCall): GrpcStatus | undefined;
  onCallOver(call: ServerCall): void;
}

/** Handed to the codec at once: one frame of HTTP/2. The codec copies what it cannot send, so never more than this. */
const PIECE = 16_384;

const CONTENT_TYPE = "application/grpc";

/** Header fields that belong to the transport and are not metadata. */
const TRANSPORT: ReadonlySet<string> = new Set([
  "content-type",
  "te",
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
]);

/** One gRPC call on an HTTP/2 stream (gRPC over HTTP/2, PROTOCOL-HTTP2.md), server side. */
export class ServerCall implements GrpcCall, StreamHandler, TimerOwner {
  path = "";
  readonly #owner: CallOwner;
  readonly #stream: CodecStream;
  readonly #decoder: FrameDecoder;
  readonly #metadata = new Map<string, string>();
  #handler: GrpcCallHandler | undefined;
  #deadline: Timer | undefined;
  /** Pieces that wait for the client, and how much of the first is sent. */
  #queue: Buffer[] = [];
  #sent = 0;
  #blocked = false;
  #headersSent = false;
  #remoteEnded = false;
  #ending: GrpcStatus | undefined;
  #over = false;

  constructor(owner: CallOwner, stream: CodecStream) {
    this.#owner = owner;
    this.#stream = stream;
    this.#decoder = new FrameDecoder(owner.maxMessage);
  }

  get peer(): GrpcPeer {
    return this.#owner.peer;
  }

  get writable(): boolean {
    return !this.#blocked && !this.#over;
  }

  metadata(name: string): string | undefined {
    return this.#metadata.get(name);
  }

  send(frame: Buffer | readonly Buffer[]): boolean {
    if (this.#over || this.#ending !== undefined) return false;
    if (Buffer.isBuffer(frame)) this.#queue.push(frame);
    else this.#queue.push(...frame);
    this.#pump();
    return this.writable;
  }

  end(code: number, message = ""): void {
    if (this.#over || this.#ending !== undefined) return;
    this.#ending = { code, message };
    this.#pump();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** The connection is to be closed before long. */
  goAway(): void {
    if (!this.#over) this.#handler?.onGoAway?.();
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    const { method } = headers;
    const contentType = headers.get("content-type") ?? "";
    const timeout = headers.get("grpc-timeout");
    const encoding = headers.get("grpc-encoding") ?? "identity";
    this.path = headers.path;
    headers.forEach((name, value) => {
      if (TRANSPORT.has(name)) return;
      const before = this.#metadata.get(name);
      this.#metadata.set(name, before === undefined ? value : `${before},${value}`);
    });
    headers.release();
    if (method !== "POST") return this.#refuseHttp(405);
    if (!/^application\/grpc($|[+;])/i.test(contentType)) return this.#refuseHttp(415);
    const open = this.#owner.method(this.path);
    if (open === undefined) return this.end(GRPC_STATUS.unimplemented, `unknown method ${this.path}`);
    if (encoding !== "identity") {
      return this.end(
        GRPC_STATUS.unimplemented,
        `grpc-encoding "${encoding}" is not supported: send identity`,
      );
    }
    const deadline = timeout === undefined ? 0 : parseGrpcTimeout(timeout);
    if (deadline === undefined) return this.end(GRPC_STATUS.internal, `malformed grpc-timeout "${timeout}"`);
    try {
      const refusal = this.#owner.refusal(this);
      if (refusal !== undefined) return this.end(refusal.code, refusal.message);
      this.#handler = open(this);
    } catch (error) {
      return this.#fail(error);
    }
    if (timeout !== undefined && !this.#over) {
      this.#deadline = new Timer(this);
      this.#owner.wheel.arm(this.#deadline, deadline);
    }
    if (end) this.#end();
  }

  onData(chunk: Buffer, end: boolean): void {
    if (this.#handler === undefined || this.#over || this.#ending !== undefined) return;
    try {
      for (const message of this.#decoder.push(chunk)) {
        this.#handler.onMessage(message);
        if (this.#over) return;
      }
    } catch (error) {
      return this.#fail(error);
    }
    if (end) this.#end();
  }

  onTrailers(trailers: HeaderMap): void {
    trailers.release();
    this.#end();
  }

  onInterim(_status: number, headers: HeaderMap): void {
    headers.release();
  }

  onReset(): void {
    this.#close();
  }

  onCodecError(): void {
    this.#stream.reset("protocol-error");
    this.#close();
  }

  onDrain(): void {
    if (!this.#blocked || this.#over) return;
    this.#blocked = false;
    this.#pump();
    if (this.writable) this.#handler?.onDrain?.();
  }

  onTimer(): void {
    this.abort(GRPC_STATUS.deadlineExceeded, "deadline exceeded");
  }

  /** Ends the call now: what still waits to be sent is lost. A client that does not read gets a reset in place of a status. */
  abort(code: number, message: string): void {
    if (this.#over) return;
    this.#queue = [];
    if (!this.#blocked) return this.#finish({ code, message });
    this.#stream.reset("local-reset");
    this.#close();
  }

  /** A method that fails ends its call, not the server. */
  #fail(error: unknown): void {
    if (error instanceof FrameError) this.end(error.code, error.message);
    else this.end(GRPC_STATUS.internal, error instanceof Error ? error.message : String(error));
  }

  #end(): void {
    if (this.#over || this.#remoteEnded || this.#ending !== undefined) return;
    this.#remoteEnded = true;
    if (this.#decoder.pending > 0) return this.end(GRPC_STATUS.internal, "the call ended within a message");
    this.#handler?.onEnd();
  }

  #pump(): void {
    const stream = this.#stream;
    const queue = this.#queue;
    if (queue.length > 0 && !this.#headersSent) this.#sendHeaders();
    let at = 0;
    while (at < queue.length && !this.#blocked) {
      const piece = queue[at]!;
      const from = this.#sent;
      const to = Math.min(piece.length, from + PIECE);
      if (to === piece.length) {
        at++;
        this.#sent = 0;
      } else this.#sent = to;
      const whole = from === 0 && to === piece.length;
      if (!stream.data(whole ? piece : piece.subarray(from, to), false)) this.#blocked = true;
      if (this.#over) return;
    }
    if (at === queue.length) this.#queue = [];
    else if (at > 0) queue.splice(0, at);
    if (this.#queue.length === 0 && this.#ending !== undefined) this.#finish(this.#ending);
  }

  #sendHeaders(): void {
    this.#headersSent = true;
    const head = HeaderMap.acquire();
    head.status = 200;
    head.add("content-type", CONTENT_TYPE);
    this.#stream.headers(head, false);
    head.release();
  }

  #finish({ code, message }: GrpcStatus): void {
    const last = HeaderMap.acquire();
    if (!this.#headersSent) {
      last.status = 200;
      last.add("content-type", CONTENT_TYPE);
      if (code === GRPC_STATUS.unimplemented) last.add("grpc-accept-encoding", "identity");
    }
    last.add("grpc-status", String(code));
    if (message !== "") last.add("grpc-message", encodeGrpcMessage(message));
    if (this.#headersSent) this.#stream.trailers(last);
    else this.#stream.headers(last, true);
    last.release();
    this.#close();
  }

  #refuseHttp(status: number): void {
    const head = HeaderMap.acquire();
    head.status = status;
    this.#stream.headers(head, true);
    head.release();
    this.#close();
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue = [];
    if (this.#deadline !== undefined) this.#owner.wheel.disarm(this.#deadline);
    this.#handler?.onClose();
    this.#owner.onCallOver(this);
  }
}
