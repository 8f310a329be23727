/** Bits of a retry policy's `retry_on`. */
export const RetryOn = {
  FiveXx: 1 << 0,
  GatewayError: 1 << 1,
  ConnectFailure: 1 << 2,
  Retriable4xx: 1 << 3,
  RefusedStream: 1 << 4,
  Reset: 1 << 5,
  ResetBeforeRequest: 1 << 6,
  RetriableStatusCodes: 1 << 7,
  RetriableHeaders: 1 << 8,
  EnvoyRateLimited: 1 << 9,
  Http3PostConnectFailure: 1 << 10,
  GrpcCancelled: 1 << 11,
  GrpcDeadlineExceeded: 1 << 12,
  GrpcResourceExhausted: 1 << 13,
  GrpcUnavailable: 1 << 14,
  GrpcInternal: 1 << 15,
} as const;

const HTTP: Readonly<Record<string, number>> = {
  "5xx": RetryOn.FiveXx,
  "gateway-error": RetryOn.GatewayError,
  "connect-failure": RetryOn.ConnectFailure,
  "retriable-4xx": RetryOn.Retriable4xx,
  "refused-stream": RetryOn.RefusedStream,
  reset: RetryOn.Reset,
  "reset-before-request": RetryOn.ResetBeforeRequest,
  "retriable-status-codes": RetryOn.RetriableStatusCodes,
  "retriable-headers": RetryOn.RetriableHeaders,
  "envoy-ratelimited": RetryOn.EnvoyRateLimited,
  "http3-post-connect-failure": RetryOn.Http3PostConnectFailure,
};
const GRPC: Readonly<Record<string, number>> = {
  cancelled: RetryOn.GrpcCancelled,
  "deadline-exceeded": RetryOn.GrpcDeadlineExceeded,
  "resource-exhausted": RetryOn.GrpcResourceExhausted,
  unavailable: RetryOn.GrpcUnavailable,
  internal: RetryOn.GrpcInternal,
};

/** Parsed `retry_on` text. */
export interface RetryOnBits {
  readonly bits: number;
  /** Whether every word was known. */
  readonly valid: boolean;
}

/** Reads the words of x-envoy-retry-on. Unknown words are ignored, and said in `valid`. */
export function parseRetryOn(text: string): RetryOnBits {
  return parse(text, HTTP);
}

/** Reads the words of x-envoy-retry-grpc-on. */
export function parseRetryGrpcOn(text: string): RetryOnBits {
  return parse(text, GRPC);
}

function parse(text: string, words: Readonly<Record<string, number>>): RetryOnBits {
  let bits = 0;
  let valid = true;
  for (const part of text.split(",")) {
    const bit = words[part.trim()];
    if (bit === undefined) valid = false;
    else bits |= bit;
  }
  return { bits, valid };
}
