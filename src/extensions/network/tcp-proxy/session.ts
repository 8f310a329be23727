import { Timer, type TimerOwner } from "../../../base/timer-wheel.ts";
import type { Connection, ConnectionHandler } from "../../../net/connection.ts";
import {
  ResponseFlag,
  type Cluster,
  type ConnectCallbacks,
  type DownstreamConnection,
  type Host,
  type MetadataMatch,
  type PickContext,
  type PoolRequest,
  type StreamInfo,
  type UpstreamConnection,
} from "../../../proxy/api.ts";
import type { TcpProxySettings } from "./settings.ts";

const IDLE = 0;
const DURATION = 1;
const LOG = 2;
const RETRY = 3;

const NO_HOSTS: readonly Host[] = [];
const NO_BYTES = Buffer.alloc(0);

/**
 * One client's connection and the connection to the host that it was given. What comes from one goes to the other, and
 * so do their ends; a side that cannot be written to pauses the other.
 */
export class TcpSession implements ConnectionHandler, ConnectCallbacks, PickContext, TimerOwner {
  // What balancers see.
  readonly headers = undefined;
  readonly hash: bigint | undefined;
  metadataMatch: MetadataMatch | undefined;
  readonly tried = NO_HOSTS;
  readonly maxReselections = 0;

  readonly #settings: TcpProxySettings;
  readonly #client: Connection;
  readonly #downstream: DownstreamConnection;
  readonly #record: StreamInfo;
  readonly #upstreamSide: ConnectionHandler = new UpstreamSide(this);
  readonly #idleTimer = new Timer(this, IDLE);
  #timers: Timer[] | undefined;
  #cluster: Cluster | undefined;
  #request: PoolRequest | undefined;
  #upstream: UpstreamConnection | undefined;
  /** What the client sent before there was an upstream. */
  #early: Buffer = NO_BYTES;
  /** Of the last attempt. */
  #host: Host | undefined;
  #attempts = 0;
  #started = false;
  #clientEnded = false;
  #clientPaused = false;
  #upstreamPaused = false;
  #closed = false;

  constructor(downstream: DownstreamConnection, settings: TcpProxySettings) {
    this.#settings = settings;
    this.#downstream = downstream;
    this.#client = downstream.connection;
    this.#record = downstream.record;
    this.hash = settings.hash?.(downstream.info);
    settings.stats.cxTotal.inc();
  }

  /** Begins to connect, unless that waits for the client's first bytes. */
  begin(): void {
    const { context, maxDuration, jitterPercent, logInterval, logOnStart, waitsForData, maxEarlyData } =
      this.#settings;
    if (maxDuration > 0) this.#arm(DURATION, maxDuration * (1 + (context.random() * jitterPercent) / 100));
    if (logInterval > 0) this.#arm(LOG, logInterval);
    if (logOnStart) this.#log("TcpConnectionStart");
    // A client that is not read from learns of a failure by a reset, not by losing what it sent.
    if (maxEarlyData === undefined) this.#pauseClient();
    if (!waitsForData) this.#connect();
  }

  onConnect(): void {
    // Accepted connections stand already.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    const { stats } = this.#settings;
    stats.rxBytes.add(end - start);
    if (this.#closed) return;
    if (this.#upstream === undefined) return this.#keepEarly(bytes.subarray(start, end));
    this.#touch();
    if (!this.#upstream.write(bytes.subarray(start, end))) this.#pauseClient();
  }

  onEnd(): void {
    if (this.#closed) return;
    this.#clientEnded = true;
    if (this.#upstream !== undefined) {
      this.#touch();
      this.#upstream.end();
    } else if (this.#settings.waitsForData && !this.#started) this.#connect();
  }

  onDrain(): void {
    if (!this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    this.#cluster!.stats.counter("upstream_flow_control_resumed_reading_total").inc();
    this.#upstream?.connection.resumeReading();
  }

  onClose(error: string): void {
    const upstream = this.#upstream;
    const { stats } = this.#settings;
    stats.txBytes.add(this.#client.bytesSent);
    this.#finish();
    this.#request?.cancel();
    if (upstream === undefined) return;
    if (error === "ECONNRESET") upstream.reset();
    else {
      if (upstream.connection.buffered > 0) this.#flushing(upstream);
      upstream.close();
    }
  }

  onConnected(upstream: UpstreamConnection): void {
    const record = this.#record;
    this.#request = undefined;
    this.#upstream = upstream;
    this.#host?.onByteStream?.("connected");
    upstream.handler = this.#upstreamSide;
    upstream.connection.streamReads(true);
    record.upstreamLocalAddress = upstream.localAddress;
    record.upstreamTls = upstream.tls;
    if (this.#settings.logOnConnected) this.#log("TcpUpstreamConnected");
    this.#touch();
    const early = this.#early;
    this.#early = NO_BYTES;
    if (early.length > 0 && !upstream.write(early)) this.#pauseClient();
    else this.#resumeClient();
    if (this.#clientEnded) upstream.end();
  }

  onPoolFailure(reason: "overflow" | "connection-failure" | "connection-timeout", detail: string): void {
    this.#request = undefined;
    this.#record.setFlag(
      reason === "overflow" ? ResponseFlag.UpstreamOverflow : ResponseFlag.UpstreamConnectionFailure,
    );
    this.#record.upstreamTransportFailureReason = detail;
    if (reason !== "overflow") this.#host?.onByteStream?.(reason);
    if (this.#closed) return;
    const { backoff, context, maxConnectAttempts } = this.#settings;
    if (reason === "overflow") this.#fail();
    else if (backoff === undefined || this.#attempts >= maxConnectAttempts) this.#connect();
    else {
      const bound = Math.min(backoff.max, backoff.base * 2 ** (this.#attempts - 1));
      this.#arm(RETRY, context.random() * bound);
    }
  }

  onUpstreamBytes(bytes: Buffer, start: number, end: number): void {
    if (this.#closed) return;
    this.#record.bytesSent += end - start;
    this.#touch();
    if (this.#client.writeBytes(bytes.subarray(start, end))) return;
    if (this.#upstreamPaused) return;
    this.#upstreamPaused = true;
    this.#cluster!.stats.counter("upstream_flow_control_paused_reading_total").inc();
    this.#upstream!.connection.pauseReading();
  }

  onUpstreamEnd(): void {
    if (this.#closed) return;
    this.#touch();
    this.#client.end();
  }

  onUpstreamDrain(): void {
    this.#resumeClient();
  }

  onUpstreamClose(error: string): void {
    if (this.#closed) return;
    if (error === "ECONNRESET") {
      this.#record.setFlag(ResponseFlag.UpstreamRemoteReset);
      this.#client.reset();
    } else this.#client.close();
  }

  onTimer(kind: number): void {
    const { stats, logInterval } = this.#settings;
    if (kind === RETRY) return this.#connect();
    if (kind === LOG) {
      this.#arm(LOG, logInterval);
      return this.#log("TcpPeriodic");
    }
    if (kind === IDLE) stats.idleTimeout.inc();
    else {
      stats.maxDuration.inc();
      this.#record.setFlag(ResponseFlag.DurationTimeout);
    }
    this.#client.discard();
  }

  #connect(): void {
    const { context, chooseDestination, stats, maxConnectAttempts } = this.#settings;
    const record = this.#record;
    this.#started = true;
    const destination = chooseDestination(this.#downstream.info);
    this.metadataMatch = destination.metadataMatch;
    const cluster = context.clusters.get(destination.cluster);
    if (cluster === undefined) {
      stats.noRoute.inc();
      return this.#fail(ResponseFlag.NoClusterFound);
    }
    this.#cluster = cluster;
    record.upstreamCluster = cluster.observabilityName;
    if (!cluster.tryAcquire("connections", 0)) return this.#fail(ResponseFlag.UpstreamOverflow);
    const exceeded = this.#attempts >= maxConnectAttempts;
    const host = exceeded ? undefined : cluster.pick(this, this.#downstream.info);
    if (host === undefined) {
      cluster.release("connections", 0);
      if (exceeded) cluster.stats.counter("upstream_cx_connect_attempts_exceeded").inc();
      return this.#fail(exceeded ? ResponseFlag.ConnectAttemptsExceeded : ResponseFlag.NoHealthyUpstream);
    }
    record.upstreamAttemptCount = ++this.#attempts;
    record.upstreamHost = host.address;
    record.upstreamHostName = host.hostname;
    this.#host = host;
    const request = cluster.connect(host, this, this.#downstream.info);
    // The answer may have come before the call returned.
    if (this.#upstream === undefined && !this.#closed) this.#request ??= request;
  }

  /** Nobody can serve the client. */
  #fail(flag = 0): void {
    this.#record.setFlag(flag);
    this.#client.discard();
  }

  #keepEarly(bytes: Buffer): void {
    const { stats, maxEarlyData = 0 } = this.#settings;
    if (this.#early.length === 0) stats.earlyData.inc();
    this.#early = Buffer.concat([this.#early, bytes]);
    if (this.#early.length >= maxEarlyData) this.#pauseClient();
    if (!this.#started) this.#connect();
  }

  #pauseClient(): void {
    if (this.#clientPaused) return;
    this.#clientPaused = true;
    if (this.#upstream !== undefined) this.#settings.stats.pausedReading.inc();
    this.#client.pauseReading();
  }

  #resumeClient(): void {
    if (!this.#clientPaused) return;
    this.#clientPaused = false;
    this.#client.resumeReading();
  }

  #touch(): void {
    const { idleTimeout, context } = this.#settings;
    if (idleTimeout > 0) context.wheel.arm(this.#idleTimer, idleTimeout);
  }

  #arm(kind: number, ms: number): void {
    const timers = (this.#timers ??= []);
    const timer = (timers[kind] ??= new Timer(this, kind));
    this.#settings.context.wheel.arm(timer, ms);
  }

  /** The client is gone, but not all of its bytes are with the upstream. */
  #flushing(upstream: UpstreamConnection): void {
    const { upstreamFlush, upstreamFlushActive } = this.#settings.stats;
    upstreamFlush.inc();
    upstreamFlushActive.inc();
    upstream.connection.socket.once("close", () => upstreamFlushActive.dec());
  }

  #finish(): void {
    const { wheel } = this.#settings.context;
    this.#closed = true;
    wheel.disarm(this.#idleTimer);
    this.#timers?.forEach((timer) => wheel.disarm(timer));
    this.#log("TcpConnectionEnd");
  }

  #log(type: string): void {
    const record = this.#record;
    const upstream = this.#upstream?.connection;
    record.logType = type;
    record.end = this.#settings.context.clock.now();
    // Bytes that a filter before this one kept count too.
    record.bytesReceived = record.wireBytesReceived = this.#client.bytesReceived;
    record.wireBytesSent = this.#client.bytesSent;
    record.upstreamWireBytesReceived = upstream?.bytesReceived ?? 0;
    record.upstreamWireBytesSent = upstream?.bytesSent ?? 0;
    this.#settings.accessLogs.write(record);
  }
}

/** The session as the upstream connection calls it. */
class UpstreamSide implements ConnectionHandler {
  readonly #session: TcpSession;

  constructor(session: TcpSession) {
    this.#session = session;
  }

  onConnect(): void {
    // It stands already.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#session.onUpstreamBytes(bytes, start, end);
  }

  onEnd(): void {
    this.#session.onUpstreamEnd();
  }

  onDrain(): void {
    this.#session.onUpstreamDrain();
  }

  onClose(error: string): void {
    this.#session.onUpstreamClose(error);
  }
}
