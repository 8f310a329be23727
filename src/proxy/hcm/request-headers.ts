import { parseIp } from "../../base/cidr.ts";
import { RandomUuids } from "../../base/random-uuid.ts";
import { HeaderLine } from "../../http/header-line.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import { HeaderSet } from "../../http/header-set.ts";
import { hasToken } from "../../http/h1/has-token.ts";
import type { ConnectionInfo, StreamInfo } from "../stream-info.ts";
import type { HcmConfig } from "./hcm-config.ts";
import type { PeerHeaders } from "./peer-headers.ts";

const CONNECTION = knownHeaderId("connection");
const UPGRADE = knownHeaderId("upgrade");
const TE = knownHeaderId("te");
const FORWARDED_FOR = knownHeaderId("x-forwarded-for");
const FORWARDED_PROTO = knownHeaderId("x-forwarded-proto");
const FORWARDED_PORT = knownHeaderId("x-forwarded-port");
const ENVOY_INTERNAL = knownHeaderId("x-envoy-internal");
const EXTERNAL_ADDRESS = knownHeaderId("x-envoy-external-address");
const REQUEST_ID = knownHeaderId("x-request-id");
const VIA = knownHeaderId("via");

const PROTO_HTTP = HeaderLine.of(FORWARDED_PROTO, "http");
const PROTO_HTTPS = HeaderLine.of(FORWARDED_PROTO, "https");
const requestIds = new RandomUuids("x-request-id: ", "\r\n");

/** Hop-by-hop headers besides Connection, TE and, as long as the request asks for one, Upgrade; and what only we may say. */
const NOT_FORWARDED = new HeaderSet([
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "x-envoy-internal",
]);
/** Removed from every request that is not internal. */
const INTERNAL_ONLY = [
  "x-envoy-retriable-status-codes", "x-envoy-retriable-header-names", "x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries",
  "x-envoy-upstream-alt-stat-name", "x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-upstream-rq-timeout-alt-response", "x-envoy-expected-rq-timeout-ms", "x-envoy-force-trace", "x-envoy-ip-tags",
  "x-envoy-original-url", "x-envoy-hedge-on-per-try-timeout",
]; // prettier-ignore
const NOT_FROM_OUTSIDE = new HeaderSet(INTERNAL_ONLY);
/** Some are trusted from the edge inwards. */
const NOT_AT_EDGE = new HeaderSet([
  ...INTERNAL_ONLY, "x-envoy-decorator-operation", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node",
  "x-envoy-original-path", "x-envoy-original-host",
]); // prettier-ignore

/**
 * Makes a client's request one that filters and the upstream can trust: hop-by-hop headers, X-Forwarded-*, x-envoy-*,
 * request id, via (Envoy's ConnectionManagerUtility::mutateRequestHeaders). Sets the stream's client address.
 */
export function mutateRequestHeaders(
  headers: HeaderMap,
  info: StreamInfo,
  connection: ConnectionInfo,
  config: HcmConfig,
  upgrade: boolean,
): void {
  const peer = config.peers.of(connection.remoteIp);
  removeHopByHop(headers, upgrade);

  const client = clientAddress(headers, connection, config);
  if (client.ip === "") {
    info.downstreamRemoteAddress = connection.remoteAddress;
    info.downstreamRemoteIp = connection.remoteIp;
  } else {
    info.downstreamRemoteIp = client.ip;
    info.downstreamRemoteAddress = client.ip.includes(":") ? `[${client.ip}]:0` : client.ip + ":0";
  }
  if (config.useRemoteAddress) setForwarded(headers, connection, peer, config);
  if (!headers.hasId(FORWARDED_PROTO)) headers.setLine(connection.tls ? PROTO_HTTPS : PROTO_HTTP);
  if (config.via !== "") headers.appendId(VIA, config.via, ", ");
  if (config.scheme !== "") headers.setId(FORWARDED_PROTO, config.scheme);
  headers.scheme =
    config.scheme !== ""
      ? config.scheme
      : isHttpScheme(headers.scheme)
        ? headers.scheme
        : schemeOf(headers.getId(FORWARDED_PROTO)!, connection);

  const direct = client.ip === "";
  const internal =
    client.trusted && (direct ? peer.isInternal : config.isInternalAddress(info.downstreamRemoteIp));
  const edge = !internal && config.useRemoteAddress;
  if (internal) headers.addId(ENVOY_INTERNAL, "true");
  else headers.removeSet(edge ? NOT_AT_EDGE : NOT_FROM_OUTSIDE);
  if (edge && info.downstreamRemoteIp !== "") {
    if (direct) headers.setLine(peer.externalAddress);
    else headers.setId(EXTERNAL_ADDRESS, info.downstreamRemoteIp);
  }
  if (config.generateRequestId) setRequestId(headers, edge, config.preserveExternalRequestId);
  config.clientCertHeader(headers, connection);
}

/** Whether the request asks for an upgrade (RFC 9110 section 7.8). */
export function isUpgrade(headers: HeaderMap): boolean {
  if (!headers.hasId(UPGRADE)) return false;
  const connection = headers.getId(CONNECTION);
  return connection !== undefined && hasToken(connection, "upgrade");
}

/** Whether Connection names a header that may not be removed this way. */
export function hasBadNomination(headers: HeaderMap): boolean {
  const connection = headers.getId(CONNECTION);
  if (connection === undefined || connection === "keep-alive" || connection === "close") return false;
  return connection
    .toLowerCase()
    .split(",")
    .some((item) => FORBIDDEN_NOMINATIONS.has(item.trim()) || item.trim().startsWith(":"));
}

const FORBIDDEN_NOMINATIONS = new Set(["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
const KEPT_NOMINATIONS = new Set(["", "close", "keep-alive", "upgrade", "te", "host", "content-length"]);

/** An upgrade that is asked for keeps the headers that say so. */
function removeHopByHop(headers: HeaderMap, upgrade: boolean): void {
  const connection = upgrade ? undefined : headers.getId(CONNECTION);
  if (connection !== undefined) {
    headers.removeId(CONNECTION);
    if (connection !== "keep-alive" && connection !== "close") {
      for (const item of connection.toLowerCase().split(",")) {
        const name = item.trim();
        if (!KEPT_NOMINATIONS.has(name)) headers.remove(name);
      }
    }
  }
  if (!upgrade && headers.hasId(UPGRADE)) headers.removeId(UPGRADE);
  const te = headers.getId(TE);
  if (te !== undefined) {
    if (hasToken(te, "trailers")) headers.setId(TE, "trailers");
    else headers.removeId(TE);
  }
  headers.removeSet(NOT_FORWARDED);
}

interface ClientAddress {
  /** "" = the connection's peer. */
  readonly ip: string;
  /** Whether it may count as internal. */
  readonly trusted: boolean;
}
const PEER_TRUSTED: ClientAddress = { ip: "", trusted: true };
const PEER_UNTRUSTED: ClientAddress = { ip: "", trusted: false };

function clientAddress(headers: HeaderMap, connection: ConnectionInfo, config: HcmConfig): ClientAddress {
  const forwarded = headers.getId(FORWARDED_FOR);
  if (config.useRemoteAddress) {
    if (forwarded === undefined) return PEER_TRUSTED;
    if (config.xffTrustedHops === 0) return PEER_UNTRUSTED;
    const found = addressFromRight(forwarded, config.xffTrustedHops - 1);
    return found === undefined ? PEER_UNTRUSTED : { ip: found.ip, trusted: false };
  }
  if (forwarded === undefined) return PEER_UNTRUSTED;
  const found = addressFromRight(forwarded, config.xffTrustedHops);
  if (found === undefined) return PEER_UNTRUSTED;
  return found.ip === connection.remoteIp && !found.only
    ? PEER_UNTRUSTED
    : { ip: found.ip, trusted: found.only };
}

/** The address `skip` places from the right end of X-Forwarded-For; `only` when there is no other. */
function addressFromRight(forwarded: string, skip: number): { ip: string; only: boolean } | undefined {
  let end = forwarded.length;
  for (let i = 0; i < skip; i++) {
    end = forwarded.lastIndexOf(",", end - 1);
    if (end < 0) return undefined;
  }
  const start = end === 0 ? -1 : forwarded.lastIndexOf(",", end - 1);
  const ip = forwarded.slice(start + 1, end).trim();
  return parseIp(ip) === undefined ? undefined : { ip, only: start < 0 && skip === 0 };
}

function setForwarded(
  headers: HeaderMap,
  connection: ConnectionInfo,
  peer: PeerHeaders,
  config: HcmConfig,
): void {
  // A client of a pipe has no address to pass on.
  if (!config.skipXffAppend && connection.remoteIp !== "") {
    const before = headers.getId(FORWARDED_FOR);
    if (before === undefined || before === "") headers.setLine(peer.forwardedFor);
    else headers.appendId(FORWARDED_FOR, peer.ownAddress);
  }
  if (config.xffTrustedHops === 0 || !headers.hasId(FORWARDED_PROTO))
    headers.setLine(connection.tls ? PROTO_HTTPS : PROTO_HTTP);
  if (config.appendForwardedPort && (config.xffTrustedHops === 0 || !headers.hasId(FORWARDED_PORT)))
    headers.setId(FORWARDED_PORT, String(connection.localPort));
}

function schemeOf(forwardedProto: string, connection: ConnectionInfo): string {
  if (isHttpScheme(forwardedProto)) return forwardedProto;
  return connection.tls ? "https" : "http";
}

function isHttpScheme(text: string): boolean {
  return text === "http" || text === "https";
}

function setRequestId(headers: HeaderMap, edge: boolean, preserve: boolean): void {
  const present = headers.hasId(REQUEST_ID);
  if (present && (!edge || preserve)) return;
  headers.setLine(new HeaderLine(REQUEST_ID, requestIds.next()));
}
