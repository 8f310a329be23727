import { configTypeName } from "../../proto/registry.ts";
import { durationMs } from "../../proto/duration.ts";
import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { HeaderMatcher } from "../matcher/header-matcher.ts";
import { parseRetryGrpcOn, parseRetryOn } from "./retry-on.ts";

type RetryPolicyConfig = Messages["envoy.config.route.v3.RetryPolicy"];

/** What of a RetryPolicy is read. */
export const retryPolicyLedger: Ledger = {
  "envoy.config.route.v3.RetryPolicy": [
    "retry_on",
    "num_retries",
    "per_try_timeout",
    "per_try_idle_timeout",
    "retry_host_predicate",
    "host_selection_retry_max_attempts",
    "retriable_status_codes",
    "retry_back_off",
    "rate_limited_retry_back_off",
    "retriable_headers",
    "retriable_request_headers",
  ],
  "envoy.config.route.v3.RetryPolicy.RetryHostPredicate": "all",
  "envoy.config.route.v3.RetryPolicy.RetryBackOff": "all",
  "envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff": "all",
  "envoy.config.route.v3.RetryPolicy.ResetHeader": "all",
  "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate": "all",
};

const DEFAULT_BASE = 25;
const DEFAULT_RATE_LIMITED_MAX = 300_000;
const PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";

/** Where a server says when to come back. */
export interface ResetHeader {
  readonly name: string;
  readonly isTimestamp: boolean;
}

/** Milliseconds between tries when the server said when to come back. */
export interface RateLimitedBackOff {
  readonly headers: readonly ResetHeader[];
  readonly max: number;
}

/** A retry policy, compiled. */
export interface RetryPolicy {
  /** Bits of RetryOn. */
  readonly on: number;
  readonly retries: number;
  /** Milliseconds; 0 = none. */
  readonly perTryTimeout: number;
  /** Milliseconds; 0 = none. */
  readonly perTryIdleTimeout: number;
  readonly statusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatcher[];
  /** If any: only requests that match one are retried. */
  readonly retriableRequestHeaders: readonly HeaderMatcher[];
  /** Milliseconds of the first and the longest back-off. */
  readonly base: number;
  readonly max: number;
  readonly rateLimited: RateLimitedBackOff | undefined;
  /** How often a host that was tried is picked again before it is taken anyway; 0 = tried hosts are not avoided. */
  readonly reselections: number;
}

/** The policy of routes without one: it retries nothing, until a request's headers say otherwise. */
export const noRetries: RetryPolicy = {
  on: 0,
  retries: 0,
  perTryTimeout: 0,
  perTryIdleTimeout: 0,
  statusCodes: [],
  retriableHeaders: [],
  retriableRequestHeaders: [],
  base: DEFAULT_BASE,
  max: DEFAULT_BASE * 10,
  rateLimited: undefined,
  reselections: 0,
};

/** Compiles a RetryPolicy. Throws an Error with Envoy's text for intervals in the wrong order and unknown predicates. */
export function compileRetryPolicy(config: RetryPolicyConfig): RetryPolicy {
  const base = Math.max(1, durationMs(config.retryBackOff?.baseInterval, DEFAULT_BASE));
  const max = durationMs(config.retryBackOff?.maxInterval, base * 10);
  if (max < base)
    throw new Error("retry_policy.max_interval must greater than or equal to the base_interval");
  return {
    on: parseRetryOn(config.retryOn).bits | parseRetryGrpcOn(config.retryOn).bits,
    retries: config.numRetries ?? 1,
    perTryTimeout: durationMs(config.perTryTimeout, 0),
    perTryIdleTimeout: durationMs(config.perTryIdleTimeout, 0),
    statusCodes: config.retriableStatusCodes,
    retriableHeaders: config.retriableHeaders.map((each) => new HeaderMatcher(each)),
    retriableRequestHeaders: config.retriableRequestHeaders.map((each) => new HeaderMatcher(each)),
    base,
    max,
    rateLimited: compileRateLimited(config),
    reselections: avoidsPreviousHosts(config) ? Number(config.hostSelectionRetryMaxAttempts || 1n) : 0,
  };
}

function compileRateLimited(config: RetryPolicyConfig): RateLimitedBackOff | undefined {
  const backOff = config.rateLimitedRetryBackOff;
  if (backOff === undefined) return undefined;
  return {
    headers: backOff.resetHeaders.map((header) => ({
      name: header.name.toLowerCase(),
      isTimestamp: header.format === 1,
    })),
    max: durationMs(backOff.maxInterval, DEFAULT_RATE_LIMITED_MAX),
  };
}

function avoidsPreviousHosts(config: RetryPolicyConfig): boolean {
  let avoids = false;
  for (const predicate of config.retryHostPredicate) {
    const typeName =
      predicate.configType.case === "typedConfig" ? configTypeName(predicate.configType.value) : "";
    if (typeName !== PREVIOUS_HOSTS && predicate.name !== "envoy.retry_host_predicates.previous_hosts")
      throw new Error(
        `Didn't find a registered implementation for '${predicate.name}' with type URL: '${typeName}'`,
      );
    avoids = true;
  }
  return avoids;
}
