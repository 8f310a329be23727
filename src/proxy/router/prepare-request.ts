import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { StreamInfo } from "../api.ts";
import type { ForwardAction } from "../route/forward-action.ts";
import type { RequestTimeouts } from "./request-timeouts.ts";
import { rewriteRequest } from "./rewrite-request.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { RouterConfig } from "./router-config.ts";

const ALT_RESPONSE = knownHeaderId("x-envoy-upstream-rq-timeout-alt-response");
const ALT_STAT_NAME = knownHeaderId("x-envoy-upstream-alt-stat-name");
const ATTEMPT_COUNT = knownHeaderId("x-envoy-attempt-count");

/**
 * Makes a request fit for its upstream: timeouts, x-envoy-* headers, the route's changes. Returns the status with which
 * a timeout is answered.
 */
export function prepareRequest(
  headers: HeaderMap,
  info: StreamInfo,
  route: RouteEntry,
  action: ForwardAction,
  timeouts: RequestTimeouts,
  config: RouterConfig,
): number {
  const { suppressEnvoyHeaders, respectExpectedTimeout } = config;
  const grpcTimeout = action.maxGrpcTimeout?.limit(headers);
  timeouts.grpc = grpcTimeout !== undefined;
  timeouts.begin(grpcTimeout ?? action.timeout, action.retryPolicy, headers, respectExpectedTimeout);
  timeouts.announce(headers, 0, suppressEnvoyHeaders);
  action.maxStreamDuration?.announce(headers);
  const timeoutStatus = headers.removeId(ALT_RESPONSE) ? 204 : 504;
  headers.removeId(ALT_STAT_NAME);
  info.upstreamAttemptCount = 1;
  if (action.attemptCountInRequest) headers.setId(ATTEMPT_COUNT, "1");
  if (route.hostRewrite !== "") headers.authority = route.hostRewrite;
  route.mutateRequest(headers, info);
  rewriteRequest(headers, info, route, !suppressEnvoyHeaders);
  return timeoutStatus;
}
