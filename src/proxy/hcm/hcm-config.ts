import { Cidr, parseIp } from "../../base/cidr.ts";
import type { H1ServerOptions } from "../../http/h1/options.ts";
import { DEFAULT_H2_SERVER_OPTIONS, type H2ServerOptions } from "../../http/h2/options.ts";
import { HeaderLine } from "../../http/header-line.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import { durationMs } from "../../proto/duration.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { HttpFilterFactory, NetworkFilterContext } from "../api.ts";
import { compileAccessLogs, type AccessLog } from "../access-log/access-log.ts";
import { compileHeaderKeyFormat } from "../header-key-format.ts";
import { compileHttp2Options } from "../http2-options.ts";
import { compileClientCertHeader, type ClientCertHeader } from "./client-cert-header.ts";
import { compileFilters } from "./filters.ts";
import { HcmStats } from "./hcm-stats.ts";
import { compileLocalReplies, type LocalReplies } from "./local-reply-config.ts";
import type { EscapedSlashes, PathOptions } from "./path-normalization.ts";
import { PeerHeaderCache } from "./peer-headers.ts";
import { routeSource, type RouteSource } from "./route-source.ts";
import { Upgrades } from "./upgrades.ts";

type HttpConnectionManager =
  Messages["envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"];

/** One filter of the chain. */
export interface FilterEntry {
  readonly name: string;
  readonly create: HttpFilterFactory;
  /** Off unless a route turns it on. */
  readonly disabled: boolean;
}

/** A connection manager's configuration, ready for use per request. Times are milliseconds, 0 = off. */
export interface HcmConfig {
  readonly context: NetworkFilterContext;
  readonly stats: HcmStats;
  readonly codecType: "auto" | "http1" | "http2";
  readonly codec: H1ServerOptions;
  readonly http2: H2ServerOptions;
  readonly routes: RouteSource;
  readonly filters: readonly FilterEntry[];
  readonly upgrades: Upgrades;
  readonly accessLogs: readonly AccessLog[];
  readonly localReplies: LocalReplies | undefined;
  readonly useRemoteAddress: boolean;
  readonly xffTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly appendForwardedPort: boolean;
  readonly via: string;
  readonly server: HeaderLine;
  readonly serverHeader: "overwrite" | "append-if-absent" | "pass-through";
  readonly scheme: string;
  readonly isInternalAddress: (ip: string) => boolean;
  readonly peers: PeerHeaderCache;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly requestIdInResponse: boolean;
  readonly clientCertHeader: ClientCertHeader;
  readonly path: PathOptions;
  readonly stripHostPort: "no" | "matching" | "any";
  readonly stripHostDot: boolean;
  readonly bufferLimit: number;
  readonly streamIdleTimeout: number;
  readonly requestTimeout: number;
  readonly requestHeadersTimeout: number;
  readonly idleTimeout: number;
  readonly maxConnectionDuration: number;
  readonly maxStreamDuration: number;
  readonly delayedCloseTimeout: number;
  readonly drainTimeout: number;
  /** 0 = no limit. */
  readonly maxRequestsPerConnection: number;
}

const SERVER_HEADER = ["overwrite", "append-if-absent", "pass-through"] as const;
const UNDERSCORES = ["allow", "reject", "drop"] as const;
const ESCAPED_SLASHES: readonly EscapedSlashes[] = ["keep", "keep", "reject", "redirect", "forward"];
const SERVER = knownHeaderId("server");
const HOUR = 3_600_000;

/** Refuses with an Error that has Envoy's text. */
export function compileHcmConfig(hcm: HttpConnectionManager, context: NetworkFilterContext): HcmConfig {
  const common = hcm.commonHttpProtocolOptions;
  const scope = context.stats.scope(`http.${hcm.statPrefix}.`);
  const isInternalAddress = internalAddresses(hcm);
  return {
    context,
    stats: new HcmStats(
      scope,
      context.listenerScope.scope(`http.${hcm.statPrefix}.`),
      context.stats.scope("http2."),
    ),
    codecType: codecType(hcm),
    codec: codecOptions(hcm),
    http2: http2Options(hcm),
    routes: routeSource(hcm, context),
    filters: compileFilters(hcm.httpFilters, scope, context),
    upgrades: new Upgrades(hcm.upgradeConfigs, scope, context),
    accessLogs: compileAccessLogs(hcm.accessLog, context),
    localReplies: compileLocalReplies(hcm.localReplyConfig, context),
    useRemoteAddress: hcm.useRemoteAddress ?? false,
    xffTrustedHops: hcm.xffNumTrustedHops,
    skipXffAppend: hcm.skipXffAppend,
    appendForwardedPort: hcm.appendXForwardedPort,
    via: hcm.via,
    server: HeaderLine.of(SERVER, hcm.serverName === "" ? "envoy" : hcm.serverName),
    serverHeader: SERVER_HEADER[hcm.serverHeaderTransformation]!,
    scheme:
      hcm.schemeHeaderTransformation?.transformation.case === "schemeToOverwrite"
        ? hcm.schemeHeaderTransformation.transformation.value
        : "",
    isInternalAddress,
    peers: new PeerHeaderCache(context.localIp, isInternalAddress),
    generateRequestId: hcm.generateRequestId ?? true,
    preserveExternalRequestId: hcm.preserveExternalRequestId,
    requestIdInResponse: hcm.alwaysSetRequestIdInResponse,
    clientCertHeader: compileClientCertHeader(hcm),
    path: {
      normalize: hcm.normalizePath ?? false,
      mergeSlashes: hcm.mergeSlashes,
      escapedSlashes: ESCAPED_SLASHES[hcm.pathWithEscapedSlashesAction]!,
    },
    stripHostPort:
      hcm.stripPortMode.case === "stripAnyHostPort" && hcm.stripPortMode.value
        ? "any"
        : hcm.stripMatchingHostPort
          ? "matching"
          : "no",
    stripHostDot: hcm.stripTrailingHostDot,
    bufferLimit: context.perConnectionBufferLimit,
    streamIdleTimeout: durationMs(hcm.streamIdleTimeout, 300_000),
    requestTimeout: durationMs(hcm.requestTimeout, 0),
    requestHeadersTimeout: durationMs(hcm.requestHeadersTimeout, 0),
    idleTimeout: durationMs(common?.idleTimeout, HOUR),
    maxConnectionDuration: durationMs(common?.maxConnectionDuration, 0),
    maxStreamDuration: durationMs(common?.maxStreamDuration, 0),
    delayedCloseTimeout: durationMs(hcm.delayedCloseTimeout, 1000),
    drainTimeout: durationMs(hcm.drainTimeout, 5000),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
  };
}

function codecOptions(hcm: HttpConnectionManager): H1ServerOptions {
  const common = hcm.commonHttpProtocolOptions;
  const h1 = hcm.httpProtocolOptions;
  return {
    maxHeadBytes: (hcm.maxRequestHeadersKb ?? 60) * 1024,
    maxHeaders: common?.maxHeadersCount ?? 100,
    acceptHttp10: h1?.acceptHttp10 ?? false,
    defaultHostForHttp10: h1?.defaultHostForHttp10 ?? "",
    enableTrailers: h1?.enableTrailers ?? false,
    allowChunkedLength: h1?.allowChunkedLength ?? false,
    underscores: UNDERSCORES[common?.headersWithUnderscoresAction ?? 0]!,
    refuseHttpsUrl: (hcm.useRemoteAddress ?? false) && hcm.xffNumTrustedHops === 0,
    proxy100Continue: hcm.proxy100Continue,
    allowCustomMethods: h1?.allowCustomMethods ?? false,
    ...compileHeaderKeyFormat(h1?.headerKeyFormat),
  };
}

function codecType(hcm: HttpConnectionManager): HcmConfig["codecType"] {
  if (hcm.codecType === 0) return "auto";
  return hcm.codecType === 2 ? "http2" : "http1";
}

function http2Options(hcm: HttpConnectionManager): H2ServerOptions {
  const { maxHeadBytes, maxHeaders, underscores } = codecOptions(hcm);
  return {
    ...compileHttp2Options(
      hcm.http2ProtocolOptions,
      { field: "max_request_headers_kb", kilobytes: maxHeadBytes / 1024 },
      DEFAULT_H2_SERVER_OPTIONS,
    ),
    maxHeaders,
    underscores,
    flushTimeout: durationMs(hcm.streamIdleTimeout, DEFAULT_H2_SERVER_OPTIONS.flushTimeout),
    drainTimeout: durationMs(hcm.drainTimeout, DEFAULT_H2_SERVER_OPTIONS.drainTimeout),
  };
}

function internalAddresses(hcm: HttpConnectionManager): (ip: string) => boolean {
  const config = hcm.internalAddressConfig;
  const blocks = (config?.cidrRanges ?? []).map((range) =>
    Cidr.of(range.addressPrefix, range.prefixLen ?? 0),
  );
  const unixSockets = config?.unixSockets ?? false;
  return (ip) => {
    if (ip === "") return unixSockets;
    if (blocks.length === 0) return false;
    const bytes = parseIp(ip);
    return bytes !== undefined && blocks.some((block) => block.contains(bytes));
  };
}
