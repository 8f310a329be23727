import type { HeaderMap } from "../../http/header-map.ts";
import { NumberLines } from "../../http/number-lines.ts";
import { knownHeaderId, type HeaderId } from "../../http/header-name.ts";
import { formatGrpcTimeout } from "../../grpc/timeout.ts";
import type { RetryPolicy } from "../route/retry-policy.ts";

const EXPECTED = knownHeaderId("x-envoy-expected-rq-timeout-ms");
const GLOBAL = knownHeaderId("x-envoy-upstream-rq-timeout-ms");
const GRPC_TIMEOUT = knownHeaderId("grpc-timeout");
const PER_TRY = knownHeaderId("x-envoy-upstream-rq-per-try-timeout-ms");

/** The timeouts of one request, in milliseconds; 0 = none. */
export class RequestTimeouts {
  global = 0;
  perTry = 0;
  /** Upstreams are told by grpc-timeout, too. */
  grpc = false;

  /** Takes the route's timeouts and what the request's headers say, and removes those headers. */
  begin(routeTimeout: number, policy: RetryPolicy, headers: HeaderMap, respectExpected: boolean): void {
    this.global = routeTimeout;
    this.perTry = policy.perTryTimeout;
    const expected = respectExpected ? takeNumber(headers, EXPECTED, false) : -1;
    const global = takeNumber(headers, GLOBAL, true);
    if (expected >= 0) this.global = expected;
    else if (global >= 0) this.global = global;
    const perTry = takeNumber(headers, PER_TRY, true);
    if (perTry >= 0) this.perTry = perTry;
    if (this.perTry >= this.global && this.global !== 0) this.perTry = 0;
  }

  /** Tells the upstream how long the answer may take when `elapsed` ms have gone since the request was complete. */
  announce(headers: HeaderMap, elapsed: number, suppress: boolean): void {
    const ms = this.expected(elapsed);
    if (ms <= 0) return;
    if (!suppress) headers.setLine(expectedLines.of(Math.floor(ms)));
    if (this.grpc) headers.setId(GRPC_TIMEOUT, formatGrpcTimeout(ms));
  }

  /** What is announced; 0 = nothing. */
  expected(elapsed: number): number {
    const expected = this.perTry === 0 ? this.global : this.perTry;
    if (expected === 0 || this.global === 0) return expected;
    return elapsed >= this.global ? 1 : Math.min(expected, this.global - elapsed);
  }
}

const expectedLines = new NumberLines(EXPECTED);
const DIGITS = /^\d{1,15}$/;

/** The number in a header, or -1. A header that is no number stays unless it is always taken away. */
function takeNumber(headers: HeaderMap, id: HeaderId, remove: boolean): number {
  if (!headers.hasId(id)) return -1;
  const text = headers.getId(id)!;
  if (remove) headers.removeId(id);
  return DIGITS.test(text) ? Number(text) : -1;
}
