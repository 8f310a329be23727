import type { CertificateFacts } from "../../../net/tls/certificate-facts.ts";
import type { TlsInfo } from "../../../net/tls/tls-info.ts";
import { msDuration } from "../../../proto/duration.ts";
import type { MessageInit } from "../../../proto/registry.ts";
import { msTimestamp } from "../../../proto/timestamp.ts";
import { ResponseFlag, type StreamInfo } from "../../../proxy/api.ts";

type Common = MessageInit<"envoy.data.accesslog.v3.AccessLogCommon">;
type Address = MessageInit<"envoy.config.core.v3.Address">;
type Flags = MessageInit<"envoy.data.accesslog.v3.ResponseFlags">;
type Tls = MessageInit<"envoy.data.accesslog.v3.TLSProperties">;
type Certificate = MessageInit<"envoy.data.accesslog.v3.TLSProperties.CertificateProperties">;

/** TLSProperties.TLSVersion. */
const TLS_VERSIONS: Readonly<Record<string, number>> = { TLSv1: 1, "TLSv1.1": 2, "TLSv1.2": 3, "TLSv1.3": 4 };
/** IANA's numbers by OpenSSL's names, of the suites that are in use. */
const CIPHER_SUITES: Readonly<Record<string, number>> = {
  TLS_AES_128_GCM_SHA256: 0x1301,
  TLS_AES_256_GCM_SHA384: 0x1302,
  TLS_CHACHA20_POLY1305_SHA256: 0x1303,
  "ECDHE-ECDSA-AES128-GCM-SHA256": 0xc02b,
  "ECDHE-ECDSA-AES256-GCM-SHA384": 0xc02c,
  "ECDHE-RSA-AES128-GCM-SHA256": 0xc02f,
  "ECDHE-RSA-AES256-GCM-SHA384": 0xc030,
  "ECDHE-RSA-CHACHA20-POLY1305": 0xcca8,
  "ECDHE-ECDSA-CHACHA20-POLY1305": 0xcca9,
};
/** AccessLogType. */
const LOG_TYPES: Readonly<Record<string, number>> = {
  TcpUpstreamConnected: 1,
  TcpPeriodic: 2,
  TcpConnectionEnd: 3,
  DownstreamStart: 4,
  DownstreamPeriodic: 5,
  DownstreamEnd: 6,
  TcpConnectionStart: 14,
};
/** ResponseFlags.Unauthorized.Reason. */
const EXTERNAL_SERVICE = 1;

/** Fields of ResponseFlags by the bits that set them. */
const FLAGS: readonly (readonly [bit: number, field: keyof Flags])[] = [
  [ResponseFlag.FailedLocalHealthCheck, "failedLocalHealthcheck"],
  [ResponseFlag.NoHealthyUpstream, "noHealthyUpstream"],
  [ResponseFlag.UpstreamRequestTimeout, "upstreamRequestTimeout"],
  [ResponseFlag.LocalReset, "localReset"],
  [ResponseFlag.UpstreamRemoteReset, "upstreamRemoteReset"],
  [ResponseFlag.UpstreamConnectionFailure, "upstreamConnectionFailure"],
  [ResponseFlag.UpstreamConnectionTermination, "upstreamConnectionTermination"],
  [ResponseFlag.UpstreamOverflow, "upstreamOverflow"],
  [ResponseFlag.NoRouteFound, "noRouteFound"],
  [ResponseFlag.DelayInjected, "delayInjected"],
  [ResponseFlag.FaultInjected, "faultInjected"],
  [ResponseFlag.RateLimited, "rateLimited"],
  [ResponseFlag.RateLimitServiceError, "rateLimitServiceError"],
  [ResponseFlag.DownstreamConnectionTermination, "downstreamConnectionTermination"],
  [
    ResponseFlag.UpstreamRetryLimitExceeded | ResponseFlag.ConnectAttemptsExceeded,
    "upstreamRetryLimitExceeded",
  ],
  [ResponseFlag.StreamIdleTimeout, "streamIdleTimeout"],
  [ResponseFlag.InvalidEnvoyRequestHeaders, "invalidEnvoyRequestHeaders"],
  [ResponseFlag.DownstreamProtocolError, "downstreamProtocolError"],
  [ResponseFlag.UpstreamMaxStreamDurationReached, "upstreamMaxStreamDurationReached"],
  [ResponseFlag.ResponseFromCacheFilter, "responseFromCacheFilter"],
  [ResponseFlag.NoFilterConfigFound, "noFilterConfigFound"],
  [ResponseFlag.DurationTimeout, "durationTimeout"],
  [ResponseFlag.UpstreamProtocolError, "upstreamProtocolError"],
  [ResponseFlag.NoClusterFound, "noClusterFound"],
  [ResponseFlag.OverloadManager, "overloadManager"],
  [ResponseFlag.DnsResolutionFailed, "dnsResolutionFailure"],
  [ResponseFlag.DownstreamRemoteReset, "downstreamRemoteReset"],
];

/** What entries of HTTP and TCP have in common. */
export function commonProperties(info: StreamInfo): Common {
  const { connection, start } = info;
  const since = (time: number) => (time === 0 ? undefined : msDuration(Math.max(0, time - start)));
  return {
    downstreamRemoteAddress: address(info.downstreamRemoteAddress || connection.directRemoteAddress),
    downstreamDirectRemoteAddress: address(connection.directRemoteAddress),
    downstreamLocalAddress: address(connection.localAddress),
    tlsProperties: connection.tlsInfo && tls(connection.tlsInfo, connection.requestedServerName),
    startTime: msTimestamp(info.startWall),
    timeToLastRxByte: since(info.lastRequestByte),
    timeToFirstUpstreamTxByte: since(info.firstUpstreamByteSent),
    timeToLastUpstreamTxByte: since(info.lastUpstreamByteSent),
    timeToFirstUpstreamRxByte: since(info.firstUpstreamByteReceived),
    timeToLastUpstreamRxByte: since(info.lastUpstreamByteReceived),
    timeToFirstDownstreamTxByte: since(info.firstResponseByte),
    timeToLastDownstreamTxByte: since(info.end),
    upstreamRemoteAddress: address(info.upstreamHost),
    upstreamLocalAddress: address(info.upstreamLocalAddress),
    // Of a host, so there is none where no host was found.
    upstreamCluster: info.upstreamHost === "" ? "" : info.upstreamCluster,
    upstreamTransportFailureReason: info.upstreamTransportFailureReason.replaceAll("_", " "),
    upstreamRequestAttemptCount: info.upstreamAttemptCount,
    responseFlags: info.responseFlags === 0 ? undefined : flags(info.responseFlags),
    metadata: metadata(info),
    routeName: info.routeName,
    duration: since(info.end),
    connectionTerminationDetails: info.connectionTerminationDetails,
    streamId: info.requestHeaders?.get("x-request-id") ?? "",
    downstreamWireBytesReceived: BigInt(info.wireBytesReceived),
    downstreamWireBytesSent: BigInt(info.wireBytesSent),
    upstreamWireBytesReceived: BigInt(info.upstreamWireBytesReceived),
    upstreamWireBytesSent: BigInt(info.upstreamWireBytesSent),
    accessLogType: LOG_TYPES[info.logType] ?? 0,
  };
}

/** "ip:port", "[v6]:port" or a path; undefined if there is none. */
function address(text: string): Address | undefined {
  if (text === "") return undefined;
  if (text.startsWith("/") || text.startsWith("@"))
    return { address: { case: "pipe", value: { path: text } } };
  const colon = text.lastIndexOf(":");
  const ip = text.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const portSpecifier = { case: "portValue", value: Number(text.slice(colon + 1)) } as const;
  return { address: { case: "socketAddress", value: { address: ip, portSpecifier } } };
}

function flags(bits: number): Flags {
  const found: Record<string, unknown> = {};
  for (const [bit, field] of FLAGS) if ((bits & bit) !== 0) found[field] = true;
  if ((bits & ResponseFlag.UnauthorizedExternalService) !== 0)
    found["unauthorizedDetails"] = { reason: EXTERNAL_SERVICE };
  return found as Flags;
}

function metadata({ dynamicMetadata }: StreamInfo): Common["metadata"] {
  if (dynamicMetadata === undefined || dynamicMetadata.size === 0) return undefined;
  return { filterMetadata: Object.fromEntries(dynamicMetadata) as never };
}

function tls(info: TlsInfo, requestedServerName: string): Tls {
  const tlsCipherSuite = CIPHER_SUITES[info.cipher];
  return {
    tlsVersion: TLS_VERSIONS[info.version] ?? 0,
    ...(tlsCipherSuite !== undefined && { tlsCipherSuite }),
    tlsSniHostname: requestedServerName,
    tlsSessionId: info.sessionId,
    localCertificateProperties: info.local && certificate(info.local, false),
    peerCertificateProperties: info.peer && certificate(info.peer, true),
  };
}

function certificate(facts: CertificateFacts, isPeer: boolean): Certificate {
  return {
    subjectAltName: facts.namesOf("uri").map((value) => ({ san: { case: "uri" as const, value } })),
    subject: facts.subject,
    issuer: isPeer ? facts.issuer : "",
  };
}
