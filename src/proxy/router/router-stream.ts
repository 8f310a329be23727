import { Timer, type TimerOwner } from "../../base/timer-wheel.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { Metadata } from "../../http/metadata.ts";
import { NumberLines } from "../../http/number-lines.ts";
import type { ResetReason } from "../../http/stream.ts";
import {
  ResponseFlag,
  type FilterStream,
  type HeaderMap,
  type Host,
  type LocalReply,
  type HttpFilter,
  type PickContext,
  type UpstreamConnectionInfo,
  type Verdict,
} from "../api.ts";
import type { MetadataMatch } from "../metadata-match.ts";
import { clusterHandles, type ClusterHandles } from "../route/cluster-handles.ts";
import { answeredStatus } from "./answered-status.ts";
import { directReply } from "./direct-reply.ts";
import type { ForwardAction } from "../route/forward-action.ts";
import { FlowControl } from "./flow-control.ts";
import { KeptBody } from "./kept-body.ts";
import { Mirrors } from "./mirrors.ts";
import { OVERLOADED, refuse } from "./refuse.ts";
import { prepareRequest } from "./prepare-request.ts";
import { RequestTimeouts } from "./request-timeouts.ts";
import { resetBody, resetDetails, resetReasonFlag } from "./reset-reason.ts";
import { RetryState, verdictFlag } from "./retry-state.ts";
import { rewriteToEndpoint } from "./rewrite-request.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { RouterConfig } from "./router-config.ts";
import { sendRequest, sendTunnelBytes } from "./send-request.ts";
import { maxDurationReply, timeoutReply } from "./timeout-reply.ts";
import { asksForTunnel, tunnelAnswer } from "./tunnel.ts";
import { AttemptTimer, UpstreamAttempt, type AttemptOwner } from "./upstream-attempt.ts";

const INTERNAL = knownHeaderId("x-envoy-internal");
const ATTEMPT_COUNT = knownHeaderId("x-envoy-attempt-count");
const serviceTimes = new NumberLines(knownHeaderId("x-envoy-upstream-service-time"));

const GLOBAL_TIMEOUT = 1;
const RETRY = 2;
const NO_HOSTS: readonly Host[] = [];

/**
 * The router on one request: sends it to its cluster, again if need be, and the answer back. Pooled: after
 * `onDestroy` the object serves another request, so nothing is touched after a call that may end the stream.
 */
export class RouterStream implements HttpFilter, AttemptOwner, TimerOwner, PickContext {
  // What balancers see.
  headers: HeaderMap | undefined;
  hash: bigint | undefined;
  metadataMatch: MetadataMatch | undefined;
  tried: Host[] | readonly Host[] = NO_HOSTS;
  maxReselections = 0;

  readonly #config: RouterConfig;
  readonly #attempt: UpstreamAttempt;
  readonly #retry: RetryState;
  readonly #timeouts = new RequestTimeouts();
  readonly #body = new KeptBody();
  readonly #flow = new FlowControl();
  readonly #globalTimer: Timer = new Timer(this, GLOBAL_TIMEOUT);
  readonly #retryTimer: Timer = new Timer(this, RETRY);
  readonly #modifyReply = (headers: HeaderMap): void => this.#finishReply(headers);
  #stream!: FilterStream;
  #route: RouteEntry | undefined;
  #action: ForwardAction | undefined;
  #handles: ClusterHandles | undefined;
  #mirrors: Mirrors | undefined;
  #attempts = 0;
  #timeoutStatus = 504;
  #isInternal = false;
  /** The request was complete with its head. Else its first try announces a body, even if none came. */
  #headOnly = false;
  /** CONNECT or an upgrade, not answered yet: the client's bytes wait. */
  #awaitsTunnel = false;
  /** All of the request has come. */
  #requestEnded = false;
  /** The global timeout runs; its timer may be armed without that. */
  #timed = false;
  /** When it had, by the thread's clock; 0 = not yet. */
  #completeTime = 0;
  #responding = false;
  /** Answered or given up: what still comes is dropped. */
  #done = false;
  #serial = 0;

  constructor(config: RouterConfig) {
    const { clock, wheel } = config.context;
    this.#config = config;
    this.#attempt = new UpstreamAttempt(this, wheel);
    this.#retry = new RetryState({ random: () => config.context.random(), wall: () => clock.wall() });
  }

  /** Begins a new request. */
  begin(stream: FilterStream): this {
    this.#stream = stream;
    return this;
  }

  // ---- from the client ---------------------------------------------------------------------------------------------

  onRequestHeaders(headers: HeaderMap, end: boolean): Verdict {
    const { stats, context } = this.#config;
    stats.total.inc();
    const route = (this.#route = this.#stream.route as RouteEntry | undefined);
    if (route === undefined) {
      stats.noRoute.inc();
      this.#reply(404, "", "route_not_found", ResponseFlag.NoRouteFound);
      return "stop";
    }
    const action = route.action;
    if (action.kind !== "forward") {
      stats.directResponse.inc();
      const keep = !this.#config.suppressEnvoyHeaders;
      return this.#answer(directReply(route, action, headers, this.#stream.info, keep, this.#modifyReply));
    }
    const cluster = route.findCluster(headers, context.clusters);
    if (cluster === undefined) {
      stats.noCluster.inc();
      this.#reply(action.clusterNotFoundStatus, "", "cluster_not_found", ResponseFlag.NoClusterFound);
      return "stop";
    }
    if (route.handles?.cluster !== cluster) route.handles = clusterHandles(cluster);
    this.#handles = route.handles;
    this.#action = action;
    this.#stream.info.upstreamCluster = cluster.observabilityName;
    this.#isInternal = headers.hasId(INTERNAL) && headers.getId(INTERNAL) === "true";
    const refusal = refuse(headers, route.handles, this.#config, this.#isInternal, this.#modifyReply);
    if (refusal !== undefined) return this.#answer(refusal);
    this.#awaitsTunnel = asksForTunnel(headers);
    const { info } = this.#stream;
    this.metadataMatch = route.metadataMatch;
    this.hash = action.hashPolicy?.(headers, info);
    this.#timeoutStatus = prepareRequest(headers, info, route, action, this.#timeouts, this.#config);
    this.#attempts = 1;
    this.#retry.begin(action.retryPolicy, this.#handles, action.priority, headers);
    this.headers = headers;
    this.#requestEnded = this.#headOnly = end;
    if (action.mirrors.length > 0)
      this.#mirrors = Mirrors.begin(action.mirrors, this.#stream, end, this.#timeouts.global, context);
    const serial = this.#serial;
    this.#start();
    if (serial !== this.#serial) return "stop";
    if (end) this.#requestComplete();
    else if (this.#awaitsTunnel) this.#armGlobalTimer();
    return "stop";
  }

  onRequestData(chunk: Buffer, end: boolean): Verdict {
    if (this.#done) return "stop";
    this.#mirrors?.data(chunk, end, this.#handles!);
    const attempt = this.#attempt;
    const body = this.#body;
    const limit = this.#bufferLimit();
    if (this.#awaitsTunnel) {
      body.add(chunk);
      if (end) this.#requestComplete();
      else if (body.bytes > limit) this.#flow.pauseRequest(this.#stream, this.#handles!);
      return "stop";
    }
    if (this.#retry.enabled) {
      if (body.bytes + chunk.length > limit) {
        if (this.#abandonRetries()) return "stop";
      } else body.add(chunk);
    }
    if (attempt.ready) {
      if (!attempt.data(chunk, end) && !end) this.#flow.pauseRequest(this.#stream, this.#handles!);
    } else {
      if (!this.#retry.enabled) body.add(chunk);
      if (body.bytes > limit && !end) this.#flow.pauseRequest(this.#stream, this.#handles!);
    }
    if (end) this.#requestComplete();
    return "stop";
  }

  onRequestTrailers(trailers: HeaderMap): Verdict {
    if (this.#done) return "stop";
    this.#body.trailers = trailers;
    this.#mirrors?.end(this.#handles!);
    if (this.#attempt.ready) this.#attempt.trailers(trailers);
    this.#requestComplete();
    return "stop";
  }

  onRequestMetadata(metadata: Metadata): void {
    if (this.#done) return;
    if (this.#attempt.ready) this.#attempt.metadata(metadata);
    else this.#body.addMetadata(metadata);
  }

  onResponseDrain(): void {
    this.#flow.resumeResponse(this.#attempt, this.#handles!);
  }

  onDestroy(): void {
    this.#serial++;
    this.#cleanUp();
    this.#attempt.abort();
    this.#body.clear();
    this.headers = undefined;
    this.tried = NO_HOSTS;
    this.maxReselections = this.#attempts = this.#completeTime = 0;
    this.#mirrors?.requestGone();
    this.#route = this.#action = this.#handles = this.#mirrors = undefined;
    this.#requestEnded = this.#responding = this.#done = false;
    this.#flow.reset();
    this.#awaitsTunnel = false;
    this.#config.recycle(this);
  }

  // ---- from the upstream -------------------------------------------------------------------------------------------

  onAttemptReady(connection: UpstreamConnectionInfo): void {
    const { info, requestHeaders } = this.#stream;
    const attempt = this.#attempt;
    const body = this.#body;
    attempt.host!.onConnected?.();
    info.upstreamLocalAddress = connection.localAddress;
    info.upstreamProtocol = connection.protocol;
    info.upstreamTls = connection.tls;
    info.firstUpstreamByteSent = this.#config.context.clock.now();
    const ended = this.#requestEnded;
    let blocked = false;
    if (this.#awaitsTunnel) attempt.headers(requestHeaders, false);
    else {
      blocked = !sendRequest(attempt, requestHeaders, body, ended, this.#headOnly || this.#attempts > 1);
      if (!this.#retry.enabled) body.clearBody();
    }
    attempt.armReadyTimers(
      this.#action!.retryPolicy.perTryIdleTimeout,
      this.#handles!.cluster.maxStreamDuration ?? 0,
    );
    if (ended) {
      info.lastUpstreamByteSent = info.firstUpstreamByteSent;
      attempt.armPerTry(this.#timeouts.perTry);
    }
    if (blocked && !ended) this.#flow.pauseRequest(this.#stream, this.#handles!);
    else this.#flow.resumeRequest(this.#stream);
  }

  onAttemptInterim(status: number, headers: HeaderMap): void {
    this.#stream.respondInterim(status, headers);
  }

  onAttemptHeaders(headers: HeaderMap, end: boolean): void {
    const { info } = this.#stream;
    const now = this.#config.context.clock.now();
    const status = headers.status;
    const host = this.#attempt.host!;
    info.firstUpstreamByteReceived = now;
    host.onStatus?.(answeredStatus(this.#stream.requestHeaders, headers));
    const verdict = this.#retry.onHeaders(headers);
    if (verdict === "retry") {
      this.#handles!.countRetried(status);
      if (end) this.#attempt.finish();
      else this.#attempt.abort();
      headers.release();
      this.#scheduleRetry();
      return;
    }
    info.setFlag(verdictFlag(verdict));
    const cut = this.#awaitsTunnel && !end && this.#tunnelAnswered(headers);
    this.#retry.disable();
    this.#body.clearBody();
    if (this.#completeTime !== 0 && !this.#config.suppressEnvoyHeaders)
      headers.setLine(serviceTimes.of(Math.floor(now - this.#completeTime)));
    if (this.#config.dynamicStats) this.#handles!.countUpstream(headers, this.#isInternal);
    info.responseCode = status;
    info.responseHeaders = headers;
    info.responseCodeDetails = cut ? "websocket_handshake_unsuccessful" : "via_upstream";
    this.#responding = true;
    this.#finishReply(headers);
    if (end || cut) this.#complete(now);
    this.#stream.respondHeaders(headers, end || cut);
  }

  onAttemptData(chunk: Buffer, end: boolean): void {
    if (end) this.#complete(this.#config.context.clock.now());
    const serial = this.#serial;
    if (this.#stream.respondData(chunk, end) || end || serial !== this.#serial) return;
    this.#flow.pauseResponse(this.#attempt, this.#handles!);
  }

  onAttemptTrailers(trailers: HeaderMap): void {
    this.#complete(this.#config.context.clock.now());
    this.#stream.respondTrailers(trailers);
  }

  onAttemptMetadata(metadata: Metadata): void {
    this.#stream.respondMetadata(metadata);
  }

  onAttemptReset(reason: ResetReason, detail: string): void {
    const { info } = this.#stream;
    const attempt = this.#attempt;
    if (reason !== "overflow") attempt.host?.onFailure?.("reset", 503);
    if (detail !== "" && !this.#responding) info.upstreamTransportFailureReason = detail;
    if (!this.#responding && this.#tryAgain(reason)) return;
    const status = reason === "protocol-error" ? 502 : 503;
    this.#countAbort(status);
    this.#reply(
      status,
      resetBody(reason, this.#attempts > 1),
      resetDetails(reason, detail, this.#responding),
      resetReasonFlag(reason),
      reason === "overflow" && !this.#config.suppressEnvoyHeaders,
    );
  }

  onAttemptDrain(): void {
    this.#handles!.drained.inc();
    this.#flow.resumeRequest(this.#stream);
  }

  onAttemptTimer(kind: number): void {
    const handles = this.#handles!;
    const attempt = this.#attempt;
    if (kind === AttemptTimer.MaxDuration) {
      handles.maxDurationReached.inc();
      attempt.abort();
      if (!this.#responding && this.#tryAgain("local-reset")) return;
      return this.#reply(...maxDurationReply(this.#requestEnded));
    }
    const idle = kind === AttemptTimer.PerTryIdle;
    (idle ? handles.perTryIdleTimeout : handles.perTryTimeout).inc();
    attempt.host?.onFailure?.("timeout", this.#timeoutStatus);
    attempt.abort();
    if (!this.#responding && this.#tryAgain("local-reset")) return;
    this.#countAbort(this.#timeoutStatus);
    const details = idle ? "upstream_per_try_idle_timeout" : "upstream_per_try_timeout";
    this.#reply(...timeoutReply(this.#timeoutStatus, details));
  }

  onTimer(kind: number): void {
    if (kind === RETRY) return this.#retryNow();
    if (!this.#timed) return;
    const attempt = this.#attempt;
    this.#handles!.timeout.inc();
    if (attempt.active) {
      attempt.host?.onFailure?.("timeout", this.#timeoutStatus);
      if (!attempt.responding) this.#countAbort(this.#timeoutStatus);
      attempt.abort();
    }
    this.#reply(...timeoutReply(this.#timeoutStatus, "response_timeout"));
  }

  // ---- helpers -----------------------------------------------------------------------------------------------------

  #answer(reply: LocalReply): Verdict {
    this.#done = true;
    this.#stream.sendLocalReply(reply);
    return "stop";
  }

  /** Chooses a host and starts a try there. May answer at once. */
  #start(): void {
    const { info, requestHeaders } = this.#stream;
    const action = this.#action!;
    const { cluster } = this.#handles!;
    const host = cluster.pick(this, this.#stream.info.connection);
    if (host === undefined) {
      this.#countAbort(503);
      this.#reply(503, "no healthy upstream", "no_healthy_upstream", ResponseFlag.NoHealthyUpstream);
      return;
    }
    info.upstreamHost = host.address;
    info.upstreamHostName = host.hostname;
    const keep = !this.#config.suppressEnvoyHeaders;
    if (action.autoHostRewrite) rewriteToEndpoint(requestHeaders, host, this.#attempts, action, keep);
    if (action.retryPolicy.reselections > 0 && this.#retry.enabled) this.tried = [...this.tried, host];
    this.#attempt.start(cluster, host, action.priority, requestHeaders, info, action.connect);
  }

  #requestComplete(): void {
    this.#requestEnded = true;
    this.#completeTime = this.#config.context.clock.now();
    this.#armGlobalTimer();
    if (!this.#attempt.ready) return;
    this.#stream.info.lastUpstreamByteSent = this.#completeTime;
    this.#attempt.armPerTry(this.#timeouts.perTry);
  }

  #armGlobalTimer(): void {
    const { global } = this.#timeouts;
    this.#timed = global > 0;
    if (this.#timed) this.#config.context.wheel.arm(this.#globalTimer, global);
  }

  /** The answer to CONNECT or an upgrade. Returns whether nothing but its head is passed on. */
  #tunnelAnswered(headers: HeaderMap): boolean {
    const answer = tunnelAnswer(this.#stream.requestHeaders, headers);
    if (answer !== "open") return answer === "failed";
    this.#awaitsTunnel = false;
    this.#timed = false;
    if (sendTunnelBytes(this.#attempt, this.#body, this.#requestEnded))
      this.#flow.resumeRequest(this.#stream);
    else this.#flow.pauseRequest(this.#stream, this.#handles!);
    return false;
  }

  /** Whether the try that failed is followed by another. */
  #tryAgain(reason: ResetReason): boolean {
    const verdict = this.#retry.onReset(reason, this.#attempt.started);
    if (verdict === "retry") {
      this.#scheduleRetry();
      return true;
    }
    this.#stream.info.setFlag(verdictFlag(verdict));
    return false;
  }

  #scheduleRetry(): void {
    this.#config.context.wheel.arm(this.#retryTimer, this.#retry.backOff());
  }

  #retryNow(): void {
    const { info, requestHeaders } = this.#stream;
    const action = this.#action!;
    info.upstreamAttemptCount = ++this.#attempts;
    if (action.attemptCountInRequest) requestHeaders.setId(ATTEMPT_COUNT, String(this.#attempts));
    const elapsed = this.#completeTime === 0 ? 0 : this.#config.context.clock.now() - this.#completeTime;
    this.#timeouts.announce(requestHeaders, elapsed, this.#config.suppressEnvoyHeaders);
    this.maxReselections = action.retryPolicy.reselections;
    this.#start();
  }

  /** The body grew too large to be sent again. Returns whether that is the end: no try is under way. */
  #abandonRetries(): boolean {
    this.#handles!.retryOrShadowAbandoned.inc();
    this.#retry.disable();
    if (!this.#attempt.active) {
      const text = "exceeded request buffer limit while retrying upstream";
      this.#reply(507, text, "request_payload_exceeded_retry_buffer_limit", 0);
      return true;
    }
    if (this.#attempt.ready) this.#body.clearBody();
    return false;
  }

  #bufferLimit(): number {
    return (
      this.#action!.bufferLimit ?? Math.min(this.#stream.bufferLimit, this.#handles!.cluster.bufferLimit)
    );
  }

  /** The response is complete. */
  #complete(now: number): void {
    const { info } = this.#stream;
    const attempt = this.#attempt;
    this.#done = true;
    info.lastUpstreamByteReceived = now;
    attempt.record(info);
    attempt.finish();
    this.#cleanUp();
    if (this.#completeTime !== 0 && this.#config.dynamicStats)
      this.#handles!.recordTime(Math.floor(now - this.#completeTime), this.#isInternal);
  }

  #cleanUp(): void {
    const { wheel } = this.#config.context;
    // It stays armed for the next request, which moves its deadline: cheaper than taking it off the wheel each time.
    this.#timed = false;
    wheel.disarm(this.#retryTimer);
    this.#retry.release();
  }

  /** Counts an answer of our own as the cluster's, unless its response has begun. */
  #countAbort(status: number): void {
    if (!this.#responding && this.#config.dynamicStats)
      this.#handles!.countResponse(status, this.#isInternal);
  }

  #reply(status: number, body: string, details: string, flags: number, overloaded = false): void {
    this.#done = true;
    this.#cleanUp();
    this.#attempt.abort();
    this.#stream.sendLocalReply({
      status,
      body,
      details,
      flags,
      headers: overloaded ? OVERLOADED : undefined,
      modify: this.#modifyReply,
    });
  }

  /** What the route does to every response, local ones included. */
  #finishReply(headers: HeaderMap): void {
    const route = this.#route;
    if (route === undefined) return;
    route.mutateResponse(headers, this.#stream.info);
    if (this.#action?.attemptCountInResponse === true && this.#attempts > 0)
      headers.setId(ATTEMPT_COUNT, String(this.#attempts));
  }
}
