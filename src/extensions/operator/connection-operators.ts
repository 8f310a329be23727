import type { OperatorDef } from "../../proxy/api.ts";
import { orAbsent, plain } from "./define.ts";

/** Operators of addresses and connections on both sides. */
export const connectionOperators: readonly OperatorDef[] = [
  plain("CONNECTION_ID", (info) => info.connection.id),
  plain("REQUESTED_SERVER_NAME", (info) => orAbsent(info.connection.requestedServerName)),
  plain("FILTER_CHAIN_NAME", (info) => orAbsent(info.connection.filterChainName)),
  plain("DOWNSTREAM_REMOTE_ADDRESS", (info) => orAbsent(info.downstreamRemoteAddress)),
  plain("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", (info) =>
    orAbsent(info.downstreamRemoteIp || info.downstreamRemoteAddress),
  ),
  plain("DOWNSTREAM_REMOTE_PORT", (info) => portOf(info.downstreamRemoteAddress)),
  plain("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", (info) => orAbsent(info.connection.directRemoteAddress)),
  plain("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", (info) =>
    orAbsent(info.connection.directRemoteIp || info.connection.directRemoteAddress),
  ),
  plain("DOWNSTREAM_DIRECT_REMOTE_PORT", (info) => portOf(info.connection.directRemoteAddress)),
  plain("DOWNSTREAM_LOCAL_ADDRESS", (info) => orAbsent(info.connection.localAddress)),
  plain("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", (info) =>
    orAbsent(info.connection.localIp || info.connection.localAddress),
  ),
  plain("DOWNSTREAM_LOCAL_PORT", (info) => portOf(info.connection.localAddress)),
  plain("DOWNSTREAM_DIRECT_LOCAL_ADDRESS", (info) => orAbsent(info.connection.directLocalAddress)),
  plain("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", (info) =>
    orAbsent(ipOf(info.connection.directLocalAddress)),
  ),
  plain("DOWNSTREAM_DIRECT_LOCAL_PORT", (info) => portOf(info.connection.directLocalAddress)),
  plain("DOWNSTREAM_TRANSPORT_FAILURE_REASON", () => undefined),
  plain("UPSTREAM_HOST", (info) => orAbsent(info.upstreamHost)),
  plain("UPSTREAM_HOST_NAME", (info) => orAbsent(info.upstreamHostName || info.upstreamHost)),
  plain("UPSTREAM_HOST_NAME_WITHOUT_PORT", (info) =>
    orAbsent((info.upstreamHostName || info.upstreamHost).replace(/:\d+$/, "")),
  ),
  plain("UPSTREAM_CLUSTER", (info) => orAbsent(info.upstreamCluster)),
  plain("UPSTREAM_CLUSTER_RAW", (info) => orAbsent(info.upstreamCluster)),
  plain("UPSTREAM_LOCAL_ADDRESS", (info) => orAbsent(info.upstreamLocalAddress)),
  plain("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", (info) => orAbsent(ipOf(info.upstreamLocalAddress))),
  plain("UPSTREAM_LOCAL_PORT", (info) => portOf(info.upstreamLocalAddress)),
  plain("UPSTREAM_REMOTE_ADDRESS", (info) => orAbsent(info.upstreamHost)),
  plain("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", (info) => orAbsent(ipOf(info.upstreamHost))),
  plain("UPSTREAM_REMOTE_PORT", (info) => portOf(info.upstreamHost)),
  plain("UPSTREAM_PROTOCOL", (info) => orAbsent(info.upstreamProtocol)),
  plain("UPSTREAM_REQUEST_ATTEMPT_COUNT", (info) => info.upstreamAttemptCount),
  plain("UPSTREAM_TRANSPORT_FAILURE_REASON", (info) => orAbsent(info.upstreamTransportFailureReason)),
  plain("UPSTREAM_WIRE_BYTES_SENT", (info) => info.upstreamWireBytesSent),
  plain("UPSTREAM_WIRE_BYTES_RECEIVED", (info) => info.upstreamWireBytesReceived),
];

/** The port; paths of pipes have an empty one. */
function portOf(address: string): number | "" | undefined {
  if (address.startsWith("/") || address.startsWith("@")) return "";
  const colon = address.lastIndexOf(":");
  return colon < 0 ? undefined : Number(address.slice(colon + 1));
}

function ipOf(address: string): string {
  const colon = address.lastIndexOf(":");
  const ip = colon < 0 ? address : address.slice(0, colon);
  return ip.startsWith("[") ? ip.slice(1, -1) : ip;
}
