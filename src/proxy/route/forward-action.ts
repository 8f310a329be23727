import { durationMs } from "../../proto/duration.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { RoutingPriority } from "../api.ts";
import { connectTermination, type ConnectTermination } from "./connect-termination.ts";
import { compileHashPolicy, type HashPolicy } from "./hash-policy.ts";
import { compileHostRewrite, type HostRewrite } from "./host-rewrite.ts";
import { MaxGrpcTimeout } from "./max-grpc-timeout.ts";
import { MaxStreamDuration } from "./max-stream-duration.ts";
import type { MirrorPolicy } from "./mirror-policy.ts";
import { compilePathRewrite, type PathRewrite } from "./path-rewrite.ts";
import { compileRetryPolicy, noRetries, type RetryPolicy } from "./retry-policy.ts";

type RouteActionConfig = Messages["envoy.config.route.v3.RouteAction"];
type VirtualHostConfig = Messages["envoy.config.route.v3.VirtualHost"];

const NOT_FOUND_STATUSES = [503, 404, 500];
const DEFAULT_TIMEOUT = 15_000;

/** Forwards to a cluster; what all weighted clusters of a route share. */
export interface ForwardAction {
  readonly kind: "forward";
  /** Request header that names the cluster; "" when the cluster is fixed. */
  readonly clusterHeader: string;
  readonly clusterNotFoundStatus: number;
  readonly pathRewrite: PathRewrite | undefined;
  readonly hostRewrite: HostRewrite | undefined;
  /** Take the hostname of the chosen endpoint as authority. */
  readonly autoHostRewrite: boolean;
  readonly appendForwardedHost: boolean;
  /** Milliseconds from the end of the request; 0 = none. */
  readonly timeout: number;
  /** Takes the place of `timeout` for gRPC requests. */
  readonly maxGrpcTimeout: MaxGrpcTimeout | undefined;
  /** Milliseconds; undefined = the connection manager's. */
  readonly idleTimeout: number | undefined;
  readonly maxStreamDuration: MaxStreamDuration | undefined;
  /** Protocols by lower-case name: whether requests may change to them. Undefined = nothing is said. */
  readonly upgrades: ReadonlyMap<string, boolean> | undefined;
  /** CONNECT ends here: what follows goes to the cluster as bare TCP. Undefined = CONNECT is forwarded. */
  readonly connect: ConnectTermination | undefined;
  readonly hashPolicy: HashPolicy | undefined;
  readonly retryPolicy: RetryPolicy;
  /** Where copies of requests go; empty for most routes. */
  readonly mirrors: readonly MirrorPolicy[];
  readonly priority: RoutingPriority;
  readonly attemptCountInRequest: boolean;
  readonly attemptCountInResponse: boolean;
  /** Bytes of a request kept for retries; undefined = the connection's limit. */
  readonly bufferLimit: number | undefined;
}

/** Compiles what a RouteAction says besides the choice of the cluster. */
export function compileForwardAction(
  config: RouteActionConfig,
  virtualHost: VirtualHostConfig,
  bufferLimit: number | undefined,
  mirrors: readonly MirrorPolicy[],
): ForwardAction {
  if (config.prefixRewrite !== "" && config.regexRewrite !== undefined)
    throw new Error("Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy");
  const specifier = config.clusterSpecifier;
  const host = config.hostRewriteSpecifier;
  const retry = config.retryPolicy ?? virtualHost.retryPolicy;
  return {
    kind: "forward",
    clusterHeader: specifier.case === "clusterHeader" ? specifier.value.toLowerCase() : "",
    clusterNotFoundStatus: NOT_FOUND_STATUSES[config.clusterNotFoundResponseCode] ?? 503,
    pathRewrite: compilePathRewrite(config.prefixRewrite, config.regexRewrite),
    hostRewrite: compileHostRewrite(host),
    autoHostRewrite: host.case === "autoHostRewrite" && host.value.value,
    appendForwardedHost: config.appendXForwardedHost,
    // Envoy does not use the timeout of a route that sets max_stream_duration.
    timeout: config.maxStreamDuration === undefined ? durationMs(config.timeout, DEFAULT_TIMEOUT) : 0,
    maxGrpcTimeout:
      config.maxGrpcTimeout === undefined || config.maxStreamDuration !== undefined
        ? undefined
        : new MaxGrpcTimeout(config),
    idleTimeout: durationMs(config.idleTimeout, undefined),
    maxStreamDuration: config.maxStreamDuration && new MaxStreamDuration(config.maxStreamDuration),
    upgrades: compileUpgrades(config.upgradeConfigs),
    connect: connectTermination(config.upgradeConfigs),
    hashPolicy: compileHashPolicy(config.hashPolicy),
    mirrors,
    retryPolicy: retry === undefined ? noRetries : compileRetryPolicy(retry),
    priority: config.priority === 1 ? 1 : 0,
    attemptCountInRequest: virtualHost.includeRequestAttemptCount,
    attemptCountInResponse: virtualHost.includeAttemptCountInResponse,
    bufferLimit,
  };
}

function compileUpgrades(
  list: RouteActionConfig["upgradeConfigs"],
): ReadonlyMap<string, boolean> | undefined {
  if (list.length === 0) return undefined;
  const upgrades = new Map<string, boolean>();
  for (const { upgradeType, enabled } of list) {
    const type = upgradeType.toLowerCase();
    if (upgrades.has(type)) throw new Error(`Duplicate upgrade ${upgradeType}`);
    upgrades.set(type, enabled ?? true);
  }
  return upgrades;
}
