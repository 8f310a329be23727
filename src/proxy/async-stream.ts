import { Timer, type TimerOwner } from "../base/timer-wheel.ts";
import type {
  AsyncFailure,
  AsyncStream,
  AsyncStreamHandler,
  AsyncStreamRequest,
} from "../http/async-stream.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { knownHeaderId } from "../http/header-name.ts";
import type { ResetReason } from "../http/stream.ts";
import type { FactoryContext, PickContext } from "./api.ts";
import { clusterHandles, type ClusterHandles } from "./route/cluster-handles.ts";
import { resetBody } from "./router/reset-reason.ts";
import { UpstreamAttempt, type AttemptOwner } from "./router/upstream-attempt.ts";

export type AsyncContext = Pick<FactoryContext, "clock" | "clusters" | "wheel">;

const SERVICE_TIME = knownHeaderId("x-envoy-upstream-service-time");
/** Bytes that wait for a connection before the sender is asked to wait, too. */
const HIGH_WATERMARK = 65_536;

/**
 * An exchange over a cluster of this thread: balanced, limited by the cluster's circuit breakers and counted in its
 * stats as a request of a client is.
 */
export class UpstreamStream implements AsyncStream, AttemptOwner, TimerOwner {
  readonly #context: AsyncContext;
  readonly #request: AsyncStreamRequest;
  readonly #handler: AsyncStreamHandler;
  readonly #attempt: UpstreamAttempt;
  readonly #timer = new Timer(this);
  #handles: ClusterHandles | undefined;
  /** Body that came before the connection. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #ended: boolean;
  #paused = false;
  #full = false;
  #sent = 0;
  #responding = false;
  #done = false;

  constructor(context: AsyncContext, request: AsyncStreamRequest, handler: AsyncStreamHandler) {
    this.#context = context;
    this.#request = request;
    this.#handler = handler;
    this.#ended = request.end;
    this.#attempt = new UpstreamAttempt(this, context.wheel);
  }

  /** Chooses a host and asks for a connection. */
  start(): void {
    const { cluster: name, headers, timeout } = this.#request;
    const cluster = this.#context.clusters.get(name);
    if (cluster === undefined) return this.#fail("no-cluster", `unknown cluster '${name}'`);
    this.#handles = clusterHandles(cluster);
    const pick: PickContext = { headers, hash: undefined, tried: [], maxReselections: 0 };
    const host = cluster.pick(pick);
    if (host === undefined) {
      this.#handles.countResponse(503, true);
      return this.#fail("no-host", "no healthy upstream");
    }
    if (timeout > 0) this.#context.wheel.arm(this.#timer, timeout);
    this.#attempt.start(cluster, host, 0, headers, undefined);
  }

  data(chunk: Buffer, end: boolean): boolean {
    if (this.#done) return true;
    this.#ended = end;
    if (this.#attempt.ready) {
      if (end) this.#sent = this.#context.clock.now();
      this.#full = !this.#attempt.data(chunk, end);
    } else {
      // It may be lent.
      this.#waiting.push(Buffer.from(chunk));
      this.#waitingBytes += chunk.length;
      this.#full = this.#waitingBytes > HIGH_WATERMARK;
    }
    return !this.#full;
  }

  pause(): void {
    this.#paused = true;
    this.#attempt.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#attempt.resume();
  }

  cancel(): void {
    if (this.#done) return;
    this.#finish();
    this.#attempt.abort();
  }

  onTimer(): void {
    if (this.#done) return;
    const handles = this.#handles!;
    handles.timeout.inc();
    this.#attempt.host?.onFailure?.("timeout", 504);
    if (!this.#responding) handles.countResponse(504, true);
    this.#attempt.abort();
    this.#fail("timeout", "upstream request timeout");
  }

  onAttemptReady(): void {
    const attempt = this.#attempt;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#sent = this.#context.clock.now();
    attempt.host?.onConnected?.();
    attempt.armReadyTimers(0, this.#handles!.cluster.maxStreamDuration ?? 0);
    attempt.headers(this.#request.headers, this.#request.end);
    if (this.#paused) attempt.pause();
    let room = true;
    for (let i = 0; i < waiting.length && !this.#done; i++)
      room = attempt.data(waiting[i]!, this.#ended && i === waiting.length - 1);
    if (this.#full && room && !this.#done) this.onAttemptDrain();
  }

  onAttemptInterim(_status: number, headers: HeaderMap): void {
    headers.release();
  }

  onAttemptHeaders(headers: HeaderMap, end: boolean): void {
    const handles = this.#handles!;
    this.#responding = true;
    this.#attempt.host!.onStatus?.(headers.status);
    handles.countUpstream(headers, true);
    headers.setId(SERVICE_TIME, String(Math.trunc(this.#context.clock.now() - this.#sent)));
    if (end) this.#complete();
    this.#handler.onHeaders(headers, end);
  }

  onAttemptData(chunk: Buffer, end: boolean): void {
    if (end) this.#complete();
    this.#handler.onData(chunk, end);
  }

  onAttemptTrailers(trailers: HeaderMap): void {
    this.#complete();
    this.#handler.onTrailers(trailers);
  }

  onAttemptReset(reason: ResetReason, detail: string): void {
    if (reason !== "overflow") this.#attempt.host?.onFailure?.("reset", 503);
    if (!this.#responding) this.#handles!.countResponse(reason === "protocol-error" ? 502 : 503, true);
    const cause = detail === "" || reason === "protocol-error" ? "" : `, transport failure reason: ${detail}`;
    this.#fail(reason === "overflow" ? "overflow" : "reset", resetBody(reason, false) + cause);
  }

  onAttemptDrain(): void {
    this.#full = false;
    this.#handler.onDrain();
  }

  /** The one timer of a try that is armed here: the cluster's max_stream_duration. */
  onAttemptTimer(): void {
    this.#handles!.maxDurationReached.inc();
    this.#attempt.abort();
    this.#fail("timeout", "upstream max stream duration reached");
  }

  #complete(): void {
    this.#attempt.finish();
    this.#handles!.recordTime(Math.trunc(this.#context.clock.now() - this.#sent), true);
    this.#finish();
  }

  #fail(reason: AsyncFailure, detail: string): void {
    if (this.#done) return;
    this.#finish();
    this.#handler.onFailure(reason, detail);
  }

  #finish(): void {
    this.#done = true;
    this.#waiting = [];
    this.#context.wheel.disarm(this.#timer);
    this.#request.headers.release();
  }
}
