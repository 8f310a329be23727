// %RESPONSE_FLAGS%: why a request did not simply get its upstream's answer (envoy/stream_info/stream_info.h).

/** Bits of `StreamInfo.responseFlags`, in the order in which Envoy prints them: what a retry adds comes first. */
export const ResponseFlag = {
  UpstreamRetryLimitExceeded: 1 << 0,
  UpstreamOverflow: 1 << 1,
  FailedLocalHealthCheck: 1 << 2,
  NoHealthyUpstream: 1 << 3,
  UpstreamRequestTimeout: 1 << 4,
  LocalReset: 1 << 5,
  UpstreamRemoteReset: 1 << 6,
  UpstreamConnectionFailure: 1 << 7,
  UpstreamConnectionTermination: 1 << 8,
  NoRouteFound: 1 << 9,
  DelayInjected: 1 << 10,
  FaultInjected: 1 << 11,
  RateLimited: 1 << 12,
  UnauthorizedExternalService: 1 << 13,
  RateLimitServiceError: 1 << 14,
  DownstreamConnectionTermination: 1 << 15,
  StreamIdleTimeout: 1 << 16,
  InvalidEnvoyRequestHeaders: 1 << 17,
  DownstreamProtocolError: 1 << 18,
  UpstreamMaxStreamDurationReached: 1 << 19,
  ResponseFromCacheFilter: 1 << 20,
  NoFilterConfigFound: 1 << 21,
  DurationTimeout: 1 << 22,
  UpstreamProtocolError: 1 << 23,
  NoClusterFound: 1 << 24,
  OverloadManager: 1 << 25,
  DnsResolutionFailed: 1 << 26,
  DropOverload: 1 << 27,
  DownstreamRemoteReset: 1 << 28,
  UnconditionalDropOverload: 1 << 29,
  /** The same as UpstreamRetryLimitExceeded, as a TCP proxy sets it: after what made it give up. */
  ConnectAttemptsExceeded: 1 << 30,
} as const;

const SHORT: readonly string[] = [
  "URX", "UO", "LH", "UH", "UT", "LR", "UR", "UF", "UC", "NR", "DI", "FI", "RL", "UAEX",
  "RLSE", "DC", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO", "URX",
]; // prettier-ignore
const LONG: readonly string[] = Object.keys(ResponseFlag).map((name) =>
  name === "ConnectAttemptsExceeded" ? "UpstreamRetryLimitExceeded" : name,
);

/** Short names joined by ",", or "-" when no flag is set. */
export function formatResponseFlags(flags: number): string {
  return flags === 0 ? "-" : join(flags, SHORT);
}

/** Long names, as %RESPONSE_FLAGS_LONG% prints. */
export function formatResponseFlagsLong(flags: number): string {
  return flags === 0 ? "-" : join(flags, LONG);
}

function join(flags: number, names: readonly string[]): string {
  let out = "";
  for (let bit = 0; bit < names.length; bit++) {
    if ((flags & (1 << bit)) !== 0) out += out === "" ? names[bit]! : "," + names[bit]!;
  }
  return out;
}
