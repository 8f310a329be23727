import { Timer, type TimerOwner, type TimerWheel } from "../../base/timer-wheel.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Metadata } from "../../http/metadata.ts";
import type { CodecStream, ResetReason, StreamHandler } from "../../http/stream.ts";
import type {
  Cluster,
  Host,
  PoolCallbacks,
  PoolRequest,
  RoutingPriority,
  StreamInfo,
  UpstreamConnectionInfo,
} from "../api.ts";
import type { ConnectTermination } from "../route/connect-termination.ts";
import { TcpTunnel } from "./tcp-tunnel.ts";

/** Timers of a try. */
export const AttemptTimer = { PerTry: 1, PerTryIdle: 2, MaxDuration: 3 } as const;

/** What a try tells the stream it belongs to. After the end of a response, a reset or a timeout it is idle again. */
export interface AttemptOwner {
  /** A connection is there: send the request. */
  onAttemptReady(connection: UpstreamConnectionInfo): void;
  onAttemptInterim(status: number, headers: HeaderMap): void;
  onAttemptHeaders(headers: HeaderMap, end: boolean): void;
  onAttemptData(chunk: Buffer, end: boolean): void;
  onAttemptTrailers(trailers: HeaderMap): void;
  onAttemptMetadata?(metadata: Metadata): void;
  onAttemptReset(reason: ResetReason, detail: string): void;
  onAttemptDrain(): void;
  /** A value of AttemptTimer. The try is still under way. */
  onAttemptTimer(kind: number): void;
}

/** One try at an upstream: the wait for a connection, then the exchange on it. Used again for the next try. */
export class UpstreamAttempt implements PoolCallbacks, StreamHandler, TimerOwner {
  /** The host of this try, or of the last one. */
  host: Host | undefined;
  /** Whether a try is under way. */
  active = false;
  /** Whether request bytes were written. */
  started = false;
  /** Whether the response has begun. */
  responding = false;
  readonly #owner: AttemptOwner;
  readonly #wheel: TimerWheel;
  readonly #perTry: Timer = new Timer(this, AttemptTimer.PerTry);
  readonly #perTryIdle: Timer = new Timer(this, AttemptTimer.PerTryIdle);
  readonly #maxDuration: Timer = new Timer(this, AttemptTimer.MaxDuration);
  #idleMs = 0;
  #cluster: Cluster | undefined;
  #priority: RoutingPriority = 0;
  #poolRequest: PoolRequest | undefined;
  #stream: CodecStream | undefined;
  #requestDone = false;
  #serial = 0;

  constructor(owner: AttemptOwner, wheel: TimerWheel) {
    this.#owner = owner;
    this.#wheel = wheel;
  }

  /** Whether a connection is there and the head can be, or was, sent. */
  get ready(): boolean {
    return this.#stream !== undefined;
  }

  /** Notes how many bytes went over the wire. */
  record(info: StreamInfo): void {
    if (this.#stream === undefined) return;
    info.upstreamWireBytesReceived = this.#stream.wireBytesReceived;
    info.upstreamWireBytesSent = this.#stream.wireBytesSent;
  }

  /** Starts a try. The owner may be called back before this returns. */
  start(
    cluster: Cluster,
    host: Host,
    priority: RoutingPriority,
    headers: HeaderMap,
    downstream: StreamInfo | undefined,
    connect?: ConnectTermination,
  ): void {
    this.#cluster = cluster;
    this.#priority = priority;
    this.host = host;
    this.started = this.responding = this.#requestDone = false;
    if (!cluster.tryAcquire("requests", priority)) {
      this.#owner.onAttemptReset("overflow", "");
      return;
    }
    this.active = true;
    const serial = ++this.#serial;
    const client = downstream?.connection;
    const request =
      connect !== undefined && connect.takes(headers.method)
        ? TcpTunnel.open(cluster, host, this, client, connect)
        : cluster.openStream(host, priority, this, headers, downstream?.protocol, client);
    if (serial === this.#serial && this.active && this.#stream === undefined) this.#poolRequest = request;
  }

  /** Arms the timers that run from the moment the connection is there; 0 = none. */
  armReadyTimers(idleMs: number, maxDurationMs: number): void {
    this.#idleMs = idleMs;
    if (idleMs > 0) this.#wheel.arm(this.#perTryIdle, idleMs);
    if (maxDurationMs > 0) this.#wheel.arm(this.#maxDuration, maxDurationMs);
  }

  armPerTry(ms: number): void {
    if (ms > 0) this.#wheel.arm(this.#perTry, ms);
  }

  headers(headers: HeaderMap, end: boolean): void {
    this.started = true;
    if (end) this.#requestDone = true;
    this.#stream!.headers(headers, end);
  }

  data(chunk: Buffer, end: boolean): boolean {
    if (this.#stream === undefined) return true;
    if (end) this.#requestDone = true;
    return this.#stream.data(chunk, end);
  }

  trailers(trailers: HeaderMap): void {
    this.#requestDone = true;
    this.#stream?.trailers(trailers);
  }

  metadata(metadata: Metadata): void {
    const stream = this.#stream!;
    if (stream.metadata !== undefined) stream.metadata(metadata);
    else this.#cluster!.stats.counter("http1.metadata_not_supported_error").inc();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  /** Ends the try, if one is under way; the owner hears nothing more of it. */
  abort(): void {
    if (!this.active) return;
    const stream = this.#stream;
    const request = this.#poolRequest;
    this.#settle();
    request?.cancel();
    stream?.reset("local-reset");
  }

  onPoolReady(stream: CodecStream, connection: UpstreamConnectionInfo): void {
    this.#poolRequest = undefined;
    this.#stream = stream;
    stream.handler = this;
    this.#owner.onAttemptReady(connection);
  }

  onPoolFailure(reason: "overflow" | "connection-failure" | "connection-timeout", detail: string): void {
    this.#settle();
    this.#owner.onAttemptReset(reason, detail);
  }

  onInterim(status: number, headers: HeaderMap): void {
    this.#touch();
    this.#owner.onAttemptInterim(status, headers);
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    this.#touch();
    this.responding = true;
    this.#owner.onAttemptHeaders(headers, end);
  }

  onData(chunk: Buffer, end: boolean): void {
    this.#touch();
    this.#owner.onAttemptData(chunk, end);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#owner.onAttemptTrailers(trailers);
  }

  onMetadata(metadata: Metadata): void {
    this.#owner.onAttemptMetadata?.(metadata);
  }

  onReset(reason: ResetReason): void {
    this.#settle();
    // What a codec has to say of it is told in the logs of its own side only.
    this.#owner.onAttemptReset(reason, "");
  }

  onCodecError(): void {
    // Only server codecs refuse messages this way.
  }

  onDrain(): void {
    this.#owner.onAttemptDrain();
  }

  onTimer(kind: number): void {
    if (this.active) this.#owner.onAttemptTimer(kind);
  }

  /** The response is complete. A request that is not is given up, and its connection with it. */
  finish(): void {
    const stream = this.#stream;
    const done = this.#requestDone;
    this.#settle();
    if (!done) stream?.reset("local-reset");
  }

  #touch(): void {
    if (this.#idleMs > 0) this.#wheel.arm(this.#perTryIdle, this.#idleMs);
  }

  #settle(): void {
    this.active = false;
    this.#serial++;
    this.#stream = undefined;
    this.#poolRequest = undefined;
    this.#idleMs = 0;
    this.#wheel.disarm(this.#perTry);
    this.#wheel.disarm(this.#perTryIdle);
    this.#wheel.disarm(this.#maxDuration);
    this.#cluster!.release("requests", this.#priority);
  }
}
