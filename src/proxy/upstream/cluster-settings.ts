import { DEFAULT_CLIENT_OPTIONS, type H1ClientOptions } from "../../http/h1/options.ts";
import { DEFAULT_H2_CLIENT_OPTIONS, type H2ClientOptions } from "../../http/h2/options.ts";
import { durationMs } from "../../proto/duration.ts";
import { compileHeaderKeyFormat } from "../header-key-format.ts";
import { compileHttp2Options } from "../http2-options.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { outlierSettings, type OutlierSettings } from "./outlier/outlier-settings.ts";
import { subsetConfig, type SubsetConfig } from "./balancing/subset-config.ts";
import { autoName, type AutoName } from "./auto-name.ts";
import { protocolOptions, upstreamProtocols, type UpstreamProtocols } from "./upstream-protocols.ts";
import { create, encode } from "../../proto/registry.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];
type CommonHttp = Messages["envoy.config.core.v3.HttpProtocolOptions"];
type Http1 = Messages["envoy.config.core.v3.Http1ProtocolOptions"];
type Http2 = Messages["envoy.config.core.v3.Http2ProtocolOptions"];

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
  /** Bytes that may wait to be written before senders are paused. */
  readonly bufferLimit: number;
  readonly http1: H1ClientOptions;
  readonly http2: H2ClientOptions;
  readonly protocol: UpstreamProtocols["choice"];
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
  readonly maxStreamDuration: number | undefined;
  readonly limits: readonly [BreakerLimits, BreakerLimits];
  readonly connection: ConnectionSettings;
  /** Equal texts mean that pools can be kept over an update. */
  readonly connectionSignature: string;
  /** Percent. */
  readonly panicThreshold: number;
  readonly metadata: Messages["envoy.config.core.v3.Metadata"] | undefined;
  readonly outlier: OutlierSettings | undefined;
  /** Undefined unless routes may ask for hosts by metadata. */
  readonly subsets: SubsetConfig | undefined;
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
  const { choice, common, http1, http2 } = upstreamProtocols(cluster);
  return {
    observabilityName: cluster.altStatName === "" ? cluster.name : cluster.altStatName,
    maxStreamDuration: durationMs(common?.maxStreamDuration, undefined),
    limits: [breakerLimits(cluster, 0), breakerLimits(cluster, 1)],
    connection: {
      connectTimeout: durationMs(cluster.connectTimeout, DEFAULT_CONNECT_TIMEOUT),
      idleTimeout: durationMs(common?.idleTimeout, DEFAULT_IDLE_TIMEOUT),
      maxConnectionDuration: durationMs(common?.maxConnectionDuration, 0),
      maxRequestsPerConnection: common?.maxRequestsPerConnection ?? cluster.maxRequestsPerConnection ?? 0,
      keepalive: keepalive(cluster),
      bufferLimit: cluster.perConnectionBufferLimitBytes ?? DEFAULT_BUFFER_LIMIT,
      http1: http1Options(common, http1),
      http2: http2Options(common, http2),
      protocol: choice,
    },
    connectionSignature: signature(cluster),
    panicThreshold: cluster.commonLbConfig?.healthyPanicThreshold?.value ?? 50,
    metadata: cluster.metadata,
    subsets: subsetConfig(cluster.lbSubsetConfig),
    outlier: outlierSettings(cluster.outlierDetection),
    autoName: autoName(cluster, protocolOptions(cluster)),
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

function http2Options(common: CommonHttp | undefined, http2: Http2 | undefined): H2ClientOptions {
  const defaults = DEFAULT_H2_CLIENT_OPTIONS;
  const section = { field: "max_response_headers_kb", kilobytes: common?.maxResponseHeadersKb };
  return {
    ...compileHttp2Options(http2, section, defaults),
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
    perConnectionBufferLimitBytes: cluster.perConnectionBufferLimitBytes,
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
