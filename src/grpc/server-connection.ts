import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { Timer, type TimerOwner, type TimerWheel } from "../base/timer-wheel.ts";
import type { H2ServerOptions } from "../http/h2/options.ts";
import { H2ServerCodec } from "../http/h2/server-codec.ts";
import type { CodecStream, ServerCodecHandler, StreamHandler } from "../http/stream.ts";
import { Connection, type ConnectionHandler } from "../net/connection.ts";
import type { NetContext } from "../net/net-context.ts";
import { ServerCall, type CallOwner } from "./server-call.ts";
import type { GrpcCall, GrpcMethod, GrpcPeer } from "./server-method.ts";
import { GRPC_STATUS, type GrpcStatus } from "./status.ts";

/** What the connections of a server share. */
export interface ConnectionOwner {
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly context: NetContext;
  readonly http2: H2ServerOptions;
  readonly maxMessage: number;
  /** Milliseconds that calls have to end by themselves once the connection drains. */
  readonly grace: number;
  method(path: string): GrpcMethod | undefined;
  refusal(call: GrpcCall): GrpcStatus | undefined;
  onConnectionClosed(connection: ServerConnection): void;
}

const DRAIN = 0;
const END_CALLS = 1;
const DESTROY = 2;
/** What a client that does not read has left before its socket is destroyed, in milliseconds. */
const LAST_WRITES = 1000;

/** One HTTP/2 connection of a gRPC server. */
export class ServerConnection implements ConnectionHandler, CallOwner, TimerOwner {
  readonly peer: GrpcPeer;
  readonly wheel: TimerWheel;
  readonly maxMessage: number;
  readonly #owner: ConnectionOwner;
  readonly #connection: Connection;
  readonly #codec: H2ServerCodec;
  readonly #calls = new Set<ServerCall>();
  readonly #drainTimer = new Timer(this, DRAIN);
  readonly #endTimer = new Timer(this, END_CALLS);
  #draining = false;
  #grace: number;

  /** @param raw the socket below TLS */
  constructor(socket: Socket, raw: Socket, peer: GrpcPeer, owner: ConnectionOwner) {
    this.peer = peer;
    this.wheel = owner.wheel;
    this.maxMessage = owner.maxMessage;
    this.#owner = owner;
    this.#grace = owner.grace;
    this.#connection = Connection.accept(socket, owner.context, this, raw);
    this.#codec = new H2ServerCodec(
      this.#connection,
      new CodecSide(this, this.#connection),
      owner.http2,
      owner.wheel,
      owner.clock,
    );
  }

  /** Sends the client elsewhere in `delay` milliseconds: GOAWAY, and after `grace` more what is still open is ended. */
  drain(delay: number, grace = this.#owner.grace): void {
    this.#grace = grace;
    if (this.#draining) return;
    if (delay <= 0) this.#drainNow();
    else this.wheel.arm(this.#drainTimer, delay);
  }

  destroy(): void {
    this.#connection.destroy();
  }

  method(path: string): GrpcMethod | undefined {
    return this.#owner.method(path);
  }

  refusal(call: GrpcCall): GrpcStatus | undefined {
    return this.#owner.refusal(call);
  }

  openCall(stream: CodecStream): ServerCall {
    const call = new ServerCall(this, stream);
    this.#calls.add(call);
    return call;
  }

  onCallOver(call: ServerCall): void {
    this.#calls.delete(call);
  }

  onConnect(): void {
    // Accepted connections stand already.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#codec.feed(bytes, start, end);
  }

  onEnd(): void {
    this.#codec.onEnd();
  }

  onDrain(): void {
    this.#codec.onDrain();
  }

  onClose(error: string): void {
    this.wheel.disarm(this.#drainTimer);
    this.wheel.disarm(this.#endTimer);
    this.#codec.onConnectionClosed(error);
    this.#owner.onConnectionClosed(this);
  }

  onTimer(kind: number): void {
    if (kind === DRAIN) return this.#drainNow();
    if (kind === DESTROY) return this.destroy();
    for (const call of this.#calls)
      call.abort(GRPC_STATUS.unavailable, "the connection is drained: connect again");
    this.#connection.close();
    this.wheel.arm(new Timer(this, DESTROY), LAST_WRITES);
  }

  #drainNow(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#codec.drain();
    this.wheel.arm(this.#endTimer, this.#grace);
    for (const call of this.#calls) call.goAway();
  }
}

/** What the codec calls; apart from the connection because both have an `onClose`. */
class CodecSide implements ServerCodecHandler {
  readonly #owner: ServerConnection;
  readonly #connection: Connection;

  constructor(owner: ServerConnection, connection: Connection) {
    this.#owner = owner;
    this.#connection = connection;
  }

  onStream(stream: CodecStream): StreamHandler {
    return this.#owner.openCall(stream);
  }

  onClose(): void {
    this.#connection.close();
  }
}
