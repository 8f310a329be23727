import { DEFAULT_CLIENT_OPTIONS, type H1ClientOptions } from "../../http/h1/options.ts";
import { DEFAULT_H2_CLIENT_OPTIONS, type H2ClientOptions } from "../../http/h2/options.ts";
import { durationMs } from "../../proto/duration.ts";
import { compileHeaderKeyFormat } from "../header-key-format.ts";
import { compileHttp2Options } from "../http2-options.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { autoName, type AutoName } from "./auto-name.ts";
import { create, encode, unpackAs } from "../../proto/registry.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];
type CommonHttp = Messages["envoy.config.core.v3.HttpProtocolOptions"];
type Http1 = Messages["envoy.config.core.v3.Http1ProtocolOptions"];
type Http2 = Messages["envoy.config.core.v3.Http2ProtocolOptions"];
type ProtocolOptions = Messages["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];

/** Key of typed_extension_protocol_options, and name of its message. */
export const HTTP_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** Circuit breaker limits of one routing priority. */
export interface BreakerLimits {
  readonly connections: number;
  readonly pending: number;
  readonly requests: number;
  readonly retries: number;
}

/** What a connection pool needs to know. Times are milliseconds; 0 = off. */
export interface ConnectionSettings {
  readonly connectTimeout: number;
  readonly idleTimeout: number;
  readonly maxConnectionDuration: number;
  /** 0 = no limit. */
  readonly maxRequestsPerConnection: number;
  readonly keepalive: KeepaliveSettings | undefined;
  readonly http1: H1ClientOptions;
  /** Undefined when hosts are spoken to in HTTP/1.1. */
  readonly http2: H2ClientOptions | undefined;
}

/** TCP keepalive; milliseconds and a count. What is not configured is Linux's default. */
export interface KeepaliveSettings {
  readonly time: number;
  readonly interval: number;
  readonly probes: number;
}

/** A cluster's configuration, as this thread uses it. */
export interface ClusterSettings {
  readonly observabilityName: string;
  readonly bufferLimit: number;
  readonly maxStreamDuration: number | undefined;
  readonly limits: readonly [BreakerLimits, BreakerLimits];
  readonly connection: ConnectionSettings;
  /** Equal texts mean that pools can be kept over an update. */
  readonly connectionSignature: string;
  /** Percent. */
  readonly panicThreshold: number;
  readonly metadata: Messages["envoy.config.core.v3.Metadata"] | undefined;
  /** Undefined unless server names come from requests. */
  readonly autoName: AutoName | undefined;
}

const DEFAULT_LIMIT = 1024;
const DEFAULT_RETRIES = 3;
const DEFAULT_CONNECT_TIMEOUT = 5000;
const DEFAULT_IDLE_TIMEOUT = 3_600_000;
const DEFAULT_BUFFER_LIMIT = 1024 * 1024;

/** Reads what is used of a cluster. */
export function clusterSettings(cluster: ClusterMessage): ClusterSettings {
  const { common, http1, http2 } = httpOptions(cluster);
  return {
    observabilityName: cluster.altStatName === "" ? cluster.name : cluster.altStatName,
    bufferLimit: cluster.perConnectionBufferLimitBytes ?? DEFAULT_BUFFER_LIMIT,
    maxStreamDuration: durationMs(common?.maxStreamDuration, undefined),
    limits: [breakerLimits(cluster, 0), breakerLimits(cluster, 1)],
    connection: {
      connectTimeout: durationMs(cluster.connectTimeout, DEFAULT_CONNECT_TIMEOUT),
      idleTimeout: durationMs(common?.idleTimeout, DEFAULT_IDLE_TIMEOUT),
      maxConnectionDuration: durationMs(common?.maxConnectionDuration, 0),
      maxRequestsPerConnection: common?.maxRequestsPerConnection ?? cluster.maxRequestsPerConnection ?? 0,
      keepalive: keepalive(cluster),
      http1: http1Options(common, http1),
      http2: http2 === undefined ? undefined : http2Options(common, http2),
    },
    connectionSignature: signature(cluster),
    panicThreshold: cluster.commonLbConfig?.healthyPanicThreshold?.value ?? 50,
    metadata: cluster.metadata,
    autoName: autoName(cluster, protocolOptions(cluster)),
  };
}

/** The cluster's HttpProtocolOptions, if it has any. Throws when they hold another message. */
export function protocolOptions(cluster: ClusterMessage): ProtocolOptions | undefined {
  const any = cluster.typedExtensionProtocolOptions[HTTP_PROTOCOL_OPTIONS];
  return any === undefined ? undefined : unpackAs(any, HTTP_PROTOCOL_OPTIONS);
}

/** Whether the cluster's hosts are spoken to in HTTP/2. */
export function usesHttp2(cluster: ClusterMessage): boolean {
  return httpOptions(cluster).http2 !== undefined;
}

function httpOptions(cluster: ClusterMessage): {
  common: CommonHttp | undefined;
  http1: Http1 | undefined;
  http2: Http2 | undefined;
} {
  const options = protocolOptions(cluster);
  if (options === undefined)
    return {
      common: cluster.commonHttpProtocolOptions,
      http1: cluster.httpProtocolOptions,
      http2: cluster.http2ProtocolOptions,
    };
  const common = options.commonHttpProtocolOptions;
  const explicit = options.upstreamProtocolOptions;
  if (explicit.case !== "explicitHttpConfig") return { common, http1: undefined, http2: undefined };
  const config = explicit.value.protocolConfig;
  return {
    common,
    http1: config.case === "httpProtocolOptions" ? config.value : undefined,
    http2: config.case === "http2ProtocolOptions" ? config.value : undefined,
  };
}

function http1Options(common: CommonHttp | undefined, http1: Http1 | undefined): H1ClientOptions {
  const kilobytes = common?.maxResponseHeadersKb;
  return {
    ...DEFAULT_CLIENT_OPTIONS,
    maxHeadBytes: kilobytes === undefined ? DEFAULT_CLIENT_OPTIONS.maxHeadBytes : kilobytes * 1024,
    maxHeaders: common?.maxHeadersCount ?? DEFAULT_CLIENT_OPTIONS.maxHeaders,
    enableTrailers: http1?.enableTrailers ?? false,
    allowChunkedLength: http1?.allowChunkedLength ?? false,
    sendFullyQualifiedUrl: http1?.sendFullyQualifiedUrl ?? false,
    ...compileHeaderKeyFormat(http1?.headerKeyFormat),
  };
}

function http2Options(common: CommonHttp | undefined, http2: Http2): H2ClientOptions {
  const defaults = DEFAULT_H2_CLIENT_OPTIONS;
  const kilobytes = common?.maxResponseHeadersKb;
  return {
    ...compileHttp2Options(http2, defaults),
    maxHeaderBytes: kilobytes === undefined ? defaults.maxHeaderBytes : kilobytes * 1024,
    maxHeaders: common?.maxHeadersCount ?? defaults.maxHeaders,
  };
}

/** Limits of one priority: the first threshold that names it. */
export function breakerLimits(cluster: ClusterMessage, priority: 0 | 1): BreakerLimits {
  const found = cluster.circuitBreakers?.thresholds.find((entry) => entry.priority === priority);
  return {
    connections: found?.maxConnections ?? DEFAULT_LIMIT,
    pending: found?.maxPendingRequests ?? DEFAULT_LIMIT,
    requests: found?.maxRequests ?? DEFAULT_LIMIT,
    retries: found?.maxRetries ?? DEFAULT_RETRIES,
  };
}

function keepalive(cluster: ClusterMessage): KeepaliveSettings | undefined {
  const config = cluster.upstreamConnectionOptions?.tcpKeepalive;
  if (config === undefined) return undefined;
  return {
    time: (config.keepaliveTime ?? 7200) * 1000,
    interval: (config.keepaliveInterval ?? 75) * 1000,
    probes: config.keepaliveProbes ?? 9,
  };
}

/** Everything that shapes a connection, as bytes. */
function signature(cluster: ClusterMessage): string {
  const part = create("envoy.config.cluster.v3.Cluster", {
    connectTimeout: cluster.connectTimeout,
    maxRequestsPerConnection: cluster.maxRequestsPerConnection,
    commonHttpProtocolOptions: cluster.commonHttpProtocolOptions,
    httpProtocolOptions: cluster.httpProtocolOptions,
    http2ProtocolOptions: cluster.http2ProtocolOptions,
    typedExtensionProtocolOptions: cluster.typedExtensionProtocolOptions,
    upstreamConnectionOptions: cluster.upstreamConnectionOptions,
    transportSocket: cluster.transportSocket,
    transportSocketMatches: cluster.transportSocketMatches,
  });
  return Buffer.from(encode("envoy.config.cluster.v3.Cluster", part)).toString("latin1");
}
