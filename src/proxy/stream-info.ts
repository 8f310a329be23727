import type { HeaderMap } from "../http/header-map.ts";
import type { ProxyTlv } from "../net/proxy-protocol/proxy-header.ts";
import type { TlsInfo } from "../net/tls/tls-info.ts";

/** What is known of a downstream connection; shared by its requests. */
export interface ConnectionInfo {
  readonly id: number;
  /** Address of the client, "ip:port": what a PROXY header says, or else the peer's. */
  readonly remoteAddress: string;
  /** "" on pipes, whose clients have the pipe's path as their address. */
  readonly remoteIp: string;
  /** Address of the peer as the socket shows it, "ip:port". */
  readonly directRemoteAddress: string;
  readonly directRemoteIp: string;
  /** Where the client wanted to go: what a PROXY header or the redirecting kernel says, or else this end's address. */
  readonly localAddress: string;
  readonly localIp: string;
  readonly localPort: number;
  /** This end's address as the socket shows it. */
  readonly directLocalAddress: string;
  /** The kernel or a PROXY header told `localAddress`: the connection was redirected here. */
  readonly localRestored: boolean;
  /** "" on plaintext connections. */
  readonly requestedServerName: string;
  readonly tls: boolean;
  /** Undefined on plaintext connections. */
  readonly tlsInfo?: TlsInfo | undefined;
  /** Bytes of the listener's address, for logs: the listener's name. */
  readonly listenerName: string;
  readonly filterChainName: string;
  /** Dynamic metadata and filter state of the connection, which its requests see too; created on first write. */
  dynamicMetadata?: Map<string, Record<string, unknown>> | undefined;
  filterState?: Map<string, unknown> | undefined;
  /** TLVs of the client's PROXY header that go on to hosts. */
  readonly proxyTlvs?: readonly ProxyTlv[] | undefined;
}

/**
 * The record of one request, filled as it goes and read by access logs, stats and `explain`. Times are monotonic
 * milliseconds of the thread's clock; 0 means "did not happen".
 */
export class StreamInfo {
  connection!: ConnectionInfo;
  /** %ACCESS_LOG_TYPE%: at what moment of the exchange a line is written. */
  logType = "DownstreamEnd";
  /** Wall clock at the start, milliseconds since the Unix epoch. */
  startWall = 0;
  start = 0;
  lastRequestByte = 0;
  firstUpstreamByteSent = 0;
  lastUpstreamByteSent = 0;
  firstUpstreamByteReceived = 0;
  lastUpstreamByteReceived = 0;
  firstResponseByte = 0;
  end = 0;

  protocol = "";
  responseCode = 0;
  responseCodeDetails = "";
  responseFlags = 0;
  /** Body bytes. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Bytes on the wire, heads and framing included. */
  wireBytesReceived = 0;
  wireBytesSent = 0;
  /** Address of the client after X-Forwarded-For and the like were applied, "ip:port" or "ip:0". */
  downstreamRemoteAddress = "";
  downstreamRemoteIp = "";

  routeName = "";
  virtualHostName = "";
  upstreamCluster = "";
  /** "ip:port" of the last tried host; "" when none was chosen. */
  upstreamHost = "";
  upstreamHostName = "";
  upstreamLocalAddress = "";
  upstreamProtocol = "";
  upstreamTransportFailureReason = "";
  /** TLS side of the upstream connection; undefined if it is plaintext or there is none. */
  upstreamTls: TlsInfo | undefined;
  upstreamAttemptCount = 0;
  upstreamWireBytesReceived = 0;
  upstreamWireBytesSent = 0;
  connectionTerminationDetails = "";
  /** Body of a local reply, for %LOCAL_REPLY_BODY%. */
  localReplyBody = "";

  /** Whether the client speaks gRPC, where a filter changed what the request says of that; undefined = as it says. */
  grpc: boolean | undefined;
  requestHeaders: HeaderMap | undefined;
  responseHeaders: HeaderMap | undefined;
  responseTrailers: HeaderMap | undefined;

  /** Path and authority as they came, when a route rewrote them. */
  originalPath = "";
  /** Dynamic metadata by filter name; created on first write. */
  dynamicMetadata: Map<string, Record<string, unknown>> | undefined;
  /** Filter state by key; created on first write. */
  filterState: Map<string, unknown> | undefined;

  hasFlag(flag: number): boolean {
    return (this.responseFlags & flag) !== 0;
  }

  setFlag(flag: number): void {
    this.responseFlags |= flag;
  }
}
