import { xxHash64 } from "../../../base/xxhash64.ts";
import { durationMs } from "../../../proto/duration.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import {
  MetadataMatch,
  type AccessLogs,
  type ConnectionInfo,
  type NetworkFilterContext,
} from "../../../proxy/api.ts";
import { TcpProxyStats } from "./stats.ts";

type Config = Messages["envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"];

/** Filter state by which a filter before the TCP proxy chooses the cluster. */
export const CLUSTER_STATE = "envoy.tcp_proxy.cluster";

/** Where a connection goes. */
export interface Destination {
  /** Name of a cluster. */
  readonly cluster: string;
  readonly metadataMatch: MetadataMatch | undefined;
}

/** A TCP proxy's configuration. Times are milliseconds; 0 = off. */
export interface TcpProxySettings {
  readonly context: NetworkFilterContext;
  readonly stats: TcpProxyStats;
  readonly accessLogs: AccessLogs;
  /** Where a new connection goes. */
  chooseDestination(info: ConnectionInfo): Destination;
  /** Hash of a connection, for balancers that choose by it; undefined = none is configured. */
  readonly hash: ((info: ConnectionInfo) => bigint) | undefined;
  readonly idleTimeout: number;
  readonly maxConnectAttempts: number;
  /** Bounds of the random times between attempts; undefined = at once. */
  readonly backoff: { readonly base: number; readonly max: number } | undefined;
  readonly maxDuration: number;
  readonly jitterPercent: number;
  /** Connect when the client has sent something, not before. */
  readonly waitsForData: boolean;
  /** Bytes that are read before the upstream is connected; undefined = none. */
  readonly maxEarlyData: number | undefined;
  readonly logInterval: number;
  readonly logOnStart: boolean;
  readonly logOnConnected: boolean;
}

const HOUR = 3_600_000;
const ON_DOWNSTREAM_DATA = 1;

/** Refuses with Envoy's texts. */
export function tcpProxySettings(config: Config, context: NetworkFilterContext): TcpProxySettings {
  const log = config.accessLogOptions;
  if (log !== undefined && (config.flushAccessLogOnConnected || config.accessLogFlushInterval !== undefined))
    throw new Error(
      "Only one of access_log_options or flush_access_log_on_connected and access_log_flush_interval can be specified.",
    );
  const waitsForData = (config.upstreamConnectMode as number) === ON_DOWNSTREAM_DATA;
  if (waitsForData && config.maxEarlyDataBytes === undefined)
    throw new Error("max_early_data_bytes must be set when upstream_connect_mode is ON_DOWNSTREAM_DATA");
  const base = durationMs(config.backoffOptions?.baseInterval, 0);
  return {
    context,
    stats: new TcpProxyStats(context.stats.scope(`tcp.${config.statPrefix}.`)),
    accessLogs: context.accessLogs(config.accessLog),
    chooseDestination: destinationChoice(config, context),
    hash: hashOf(config),
    idleTimeout: durationMs(config.idleTimeout, HOUR),
    maxConnectAttempts: config.maxConnectAttempts ?? 1,
    backoff:
      config.backoffOptions === undefined
        ? undefined
        : { base, max: durationMs(config.backoffOptions.maxInterval, base * 10) },
    maxDuration: durationMs(config.maxDownstreamConnectionDuration, 0),
    jitterPercent: config.maxDownstreamConnectionDurationJitterPercentage?.value ?? 0,
    waitsForData,
    maxEarlyData: config.maxEarlyDataBytes,
    logInterval: durationMs(log?.accessLogFlushInterval ?? config.accessLogFlushInterval, 0),
    logOnStart: log?.flushAccessLogOnStart ?? false,
    logOnConnected: log?.flushAccessLogOnConnected ?? config.flushAccessLogOnConnected,
  };
}

function hashOf({ hashPolicy }: Config): TcpProxySettings["hash"] {
  if (hashPolicy[0]?.policySpecifier.case !== "sourceIp") return undefined;
  return ({ remoteIp }) => xxHash64(Buffer.from(remoteIp));
}

function destinationChoice(
  config: Config,
  context: NetworkFilterContext,
): (info: ConnectionInfo) => Destination {
  const metadataMatch = MetadataMatch.of(config.metadataMatch);
  const choose = configuredChoice(config, metadataMatch, context);
  return (info) => {
    const cluster = info.filterState?.get(CLUSTER_STATE);
    return typeof cluster === "string" && cluster !== "" ? { cluster, metadataMatch } : choose();
  };
}

function configuredChoice(
  { clusterSpecifier }: Config,
  metadataMatch: MetadataMatch | undefined,
  context: NetworkFilterContext,
): () => Destination {
  if (clusterSpecifier.case !== "weightedClusters") {
    const destination = { cluster: clusterSpecifier.value ?? "", metadataMatch };
    return () => destination;
  }
  const choices = clusterSpecifier.value.clusters.map(({ name, weight, metadataMatch: own }) => ({
    cluster: name,
    weight,
    metadataMatch: MetadataMatch.of(own, metadataMatch),
  }));
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  return () => {
    let point = Math.floor(context.random() * total);
    return choices.find(({ weight }) => (point -= weight) < 0) ?? choices.at(-1)!;
  };
}
