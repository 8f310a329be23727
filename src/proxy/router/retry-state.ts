import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { ResetReason } from "../../http/stream.ts";
import type { Cluster, RoutingPriority } from "../api.ts";
import { matchesAll, type HeaderMatcher } from "../matcher/header-matcher.ts";
import { ResponseFlag } from "../response-flags.ts";
import type { ClusterHandles } from "../route/cluster-handles.ts";
import { parseRetryGrpcOn, parseRetryOn, RetryOn } from "../route/retry-on.ts";
import { noRetries, type ResetHeader, type RetryPolicy } from "../route/retry-policy.ts";

const RETRY_ON = knownHeaderId("x-envoy-retry-on");
const RETRY_GRPC_ON = knownHeaderId("x-envoy-retry-grpc-on");
const MAX_RETRIES = knownHeaderId("x-envoy-max-retries");
const STATUS_CODES = knownHeaderId("x-envoy-retriable-status-codes");
const HEADER_NAMES = knownHeaderId("x-envoy-retriable-header-names");
const HEDGE = knownHeaderId("x-envoy-hedge-on-per-try-timeout");
const RATE_LIMITED = knownHeaderId("x-envoy-ratelimited");
const GRPC_STATUS = knownHeaderId("grpc-status");

const GRPC_ON =
  RetryOn.GrpcCancelled |
  RetryOn.GrpcDeadlineExceeded |
  RetryOn.GrpcResourceExhausted |
  RetryOn.GrpcUnavailable |
  RetryOn.GrpcInternal;
/** Bits by grpc-status. */
const GRPC_BITS: Readonly<Record<string, number>> = {
  "1": RetryOn.GrpcCancelled,
  "4": RetryOn.GrpcDeadlineExceeded,
  "8": RetryOn.GrpcResourceExhausted,
  "13": RetryOn.GrpcInternal,
  "14": RetryOn.GrpcUnavailable,
};

/** What becomes of a failed try. "limit": there were enough; "overflow": the cluster has too many retries under way. */
export type RetryVerdict = "retry" | "no" | "limit" | "overflow";

/** The response flag that says why there was no retry; 0 = none. */
export function verdictFlag(verdict: RetryVerdict): number {
  if (verdict === "limit") return ResponseFlag.UpstreamRetryLimitExceeded;
  return verdict === "overflow" ? ResponseFlag.UpstreamOverflow : 0;
}

/** Where the back-off takes its time and chance from. */
export interface RetryEnvironment {
  random(): number;
  /** Milliseconds since the Unix epoch. */
  wall(): number;
}

/** Decides about retries of one request. One object serves one request after another. */
export class RetryState {
  readonly #environment: RetryEnvironment;
  #policy: RetryPolicy = noRetries;
  #handles: ClusterHandles | undefined;
  #cluster: Cluster | undefined;
  #priority: RoutingPriority = 0;
  #on = 0;
  #remaining = 0;
  #extraCodes: readonly number[] = [];
  #extraHeaders: readonly string[] = [];
  /** A retry is under way and holds a place in the cluster's budget. */
  #holding = false;
  #nextInterval = 0;
  /** Milliseconds that the server asked for with the last response; -1 = none. */
  #asked = -1;

  constructor(environment: RetryEnvironment) {
    this.#environment = environment;
  }

  /** Takes the route's policy and what the request's headers say, and removes those headers. */
  begin(policy: RetryPolicy, handles: ClusterHandles, priority: RoutingPriority, headers: HeaderMap): void {
    this.#policy = policy;
    this.#handles = handles;
    this.#cluster = handles.cluster;
    this.#priority = priority;
    this.#on = policy.on;
    this.#remaining = policy === noRetries ? 1 : policy.retries;
    this.#nextInterval = policy.base;
    this.#asked = -1;
    if (this.#extraCodes.length > 0) this.#extraCodes = [];
    if (this.#extraHeaders.length > 0) this.#extraHeaders = [];
    if (headers.hasId(RETRY_ON)) this.#on |= parseRetryOn(take(headers, RETRY_ON)).bits;
    if (headers.hasId(RETRY_GRPC_ON)) this.#on |= parseRetryGrpcOn(take(headers, RETRY_GRPC_ON)).bits;
    if (headers.hasId(MAX_RETRIES)) {
      const count = take(headers, MAX_RETRIES);
      if (/^\d{1,9}$/.test(count)) this.#remaining = Number(count);
    }
    if (headers.hasId(STATUS_CODES)) this.#extraCodes = parseCodes(take(headers, STATUS_CODES));
    if (headers.hasId(HEADER_NAMES)) this.#extraHeaders = parseNames(take(headers, HEADER_NAMES));
    if (headers.hasId(HEDGE)) headers.removeId(HEDGE);
    if (this.#on !== 0 && !anyMatches(policy.retriableRequestHeaders, headers)) this.#on = 0;
  }

  /** Whether the request may be tried again, so that its body has to be kept. */
  get enabled(): boolean {
    return this.#on !== 0;
  }

  /** Nothing is tried again from here on: the response began, or the body grew too large to keep. */
  disable(): void {
    this.#on = 0;
    this.release();
  }

  /** Gives back the place in the cluster's retry budget. */
  release(): void {
    if (!this.#holding) return;
    this.#holding = false;
    this.#cluster!.release("retries", this.#priority);
  }

  /** Decides about a response by its head. */
  onHeaders(headers: HeaderMap): RetryVerdict {
    if (this.#on === 0) return "no";
    return this.#decide(this.#wouldRetryHeaders(headers));
  }

  /** Decides about a try that ended without a response. `started`: request bytes were written. */
  onReset(reason: ResetReason, started: boolean): RetryVerdict {
    if (this.#on === 0) return "no";
    return this.#decide(this.#wouldRetryReset(reason, started));
  }

  /** Milliseconds to wait before the retry just granted. */
  backOff(): number {
    const random = this.#environment.random();
    if (this.#asked >= 0) {
      this.#handles!.retryBackoffRateLimited.inc();
      return this.#asked * (1 + random / 2);
    }
    this.#handles!.retryBackoffExponential.inc();
    const interval = this.#nextInterval;
    this.#nextInterval = Math.min(interval * 2, this.#policy.max);
    return random * interval;
  }

  #decide(would: boolean): RetryVerdict {
    const handles = this.#handles!;
    if (!would) {
      if (this.#holding) handles.retrySuccess.inc();
      this.release();
      return "no";
    }
    this.release();
    if (this.#remaining === 0) {
      handles.retryLimitExceeded.inc();
      return "limit";
    }
    this.#remaining--;
    if (!this.#cluster!.tryAcquire("retries", this.#priority)) {
      handles.retryOverflow.inc();
      return "overflow";
    }
    this.#holding = true;
    handles.retry.inc();
    return "retry";
  }

  #wouldRetryHeaders(headers: HeaderMap): boolean {
    const on = this.#on;
    const status = headers.status;
    this.#asked = -1;
    const limited = this.#policy.rateLimited;
    if (headers.hasId(RATE_LIMITED)) {
      if ((on & RetryOn.EnvoyRateLimited) === 0) return false;
      if (limited !== undefined)
        this.#asked = askedInterval(headers, limited.headers, limited.max, this.#environment);
      return true;
    }
    const would =
      ((on & RetryOn.FiveXx) !== 0 && status >= 500 && status < 600) ||
      ((on & RetryOn.GatewayError) !== 0 && status >= 502 && status <= 504) ||
      ((on & RetryOn.Retriable4xx) !== 0 && status === 409) ||
      ((on & RetryOn.RetriableStatusCodes) !== 0 && this.#isRetriableCode(status)) ||
      ((on & RetryOn.RetriableHeaders) !== 0 && this.#hasRetriableHeader(headers)) ||
      ((on & GRPC_ON) !== 0 && (on & (GRPC_BITS[headers.getId(GRPC_STATUS) ?? ""] ?? 0)) !== 0);
    if (would && limited !== undefined)
      this.#asked = askedInterval(headers, limited.headers, limited.max, this.#environment);
    return would;
  }

  #wouldRetryReset(reason: ResetReason, started: boolean): boolean {
    const on = this.#on;
    this.#asked = -1;
    if (reason === "overflow" || reason === "remote-reset-no-error") return false;
    if ((on & (RetryOn.Reset | RetryOn.FiveXx | RetryOn.GatewayError)) !== 0) return true;
    if ((on & RetryOn.ResetBeforeRequest) !== 0 && !started) return true;
    if ((on & RetryOn.RefusedStream) !== 0 && reason === "remote-refused-stream-reset") return true;
    return (on & RetryOn.ConnectFailure) !== 0 && isConnectFailure(reason);
  }

  #isRetriableCode(status: number): boolean {
    return this.#policy.statusCodes.includes(status) || this.#extraCodes.includes(status);
  }

  #hasRetriableHeader(headers: HeaderMap): boolean {
    for (const matcher of this.#policy.retriableHeaders) if (matcher.matches(headers)) return true;
    for (const name of this.#extraHeaders) if (headers.has(name)) return true;
    return false;
  }
}

function isConnectFailure(reason: ResetReason): boolean {
  return (
    reason === "connection-failure" ||
    reason === "local-connection-failure" ||
    reason === "connection-timeout"
  );
}

function anyMatches(matchers: readonly HeaderMatcher[], headers: HeaderMap): boolean {
  return matchers.length === 0 || matchers.some((matcher) => matchesAll([matcher], headers));
}

function take(headers: HeaderMap, id: number): string {
  const value = headers.getId(id)!;
  headers.removeId(id);
  return value;
}

function parseCodes(text: string): number[] {
  const codes: number[] = [];
  for (const part of text.split(",")) if (/^\s*\d{1,3}\s*$/.test(part)) codes.push(Number(part));
  return codes;
}

function parseNames(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
}

/** Milliseconds by the first reset header that says something usable; -1 if none does. */
function askedInterval(
  headers: HeaderMap,
  resetHeaders: readonly ResetHeader[],
  max: number,
  environment: RetryEnvironment,
): number {
  for (const header of resetHeaders) {
    const value = headers.get(header.name);
    if (value === undefined || !/^\d{1,12}$/.test(value)) continue;
    const ms = header.isTimestamp ? Number(value) * 1000 - environment.wall() : Number(value) * 1000;
    if (ms > 0 && ms <= max) return ms;
  }
  return -1;
}
