// The contracts of the data plane: all that an extension may know of the proxy. Configuration is decoded and validated
// once, in `create`; what that returns runs per request and must not allocate more than it needs.
import type { Clock } from "../base/clock.ts";
import type { TimerWheel } from "../base/timer-wheel.ts";
import type { GrpcClient } from "../grpc/client.ts";
import type { AsyncRequests, AsyncStreams } from "../http/async-stream.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { Metadata } from "../http/metadata.ts";
import type { CodecStream, ResetReason } from "../http/stream.ts";
import type { Connection, ConnectionHandler } from "../net/connection.ts";
import type { NetContext } from "../net/net-context.ts";
import type { TlsInfo } from "../net/tls/tls-info.ts";
import type { Ledger } from "../proto/ledger.ts";
import type { Messages } from "../proto/messages.d.ts";
import type { StatScope, StatStore } from "../stats/stat-store.ts";
import type { ListenerFilterDef, Secrets, TransportSocketDef } from "./api-sockets.ts";
import type { NetworkFilterDef } from "./api-network.ts";
import type { MetadataMatch } from "./metadata-match.ts";
import type { ConnectionInfo, StreamInfo } from "./stream-info.ts";

export type { ConnectionInfo, StreamInfo } from "./stream-info.ts";
export type * from "./api-network.ts";
export type * from "./api-sockets.ts";
export type { AsyncCall, AsyncCallbacks, AsyncRequest } from "../http/async-stream.ts";
export type { HeaderMap } from "../http/header-map.ts";
export { ResponseFlag, formatResponseFlags, formatResponseFlagsLong } from "./response-flags.ts";
export { MetadataMatch } from "./metadata-match.ts";

type MessageName = keyof Messages;

/** Log lines of one component, in Envoy's format, at Envoy's levels. */
export interface Logger {
  trace(message: string): void;
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** What a thread's factories get. */
export interface FactoryContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly net: NetContext;
  /** All stats; names are absolute. */
  readonly stats: StatStore;
  readonly clusters: Clusters;
  /** Calls of the proxy's own over `clusters`. */
  readonly calls: AsyncClient;
  readonly secrets: Secrets;
  readonly runtime: Runtime;
  logger(component: string): Logger;
  /** Uniform in [0, 1). */
  random(): number;
  /** Node identity of the bootstrap, for headers, logs and side calls. */
  readonly node: { readonly id: string; readonly cluster: string; readonly zone: string };
  /** Index of this worker, from 0; -1 on the main thread. */
  readonly workerIndex: number;
  /** First non-loopback address of this machine, or 127.0.0.1: what Envoy puts into X-Forwarded-For for loopback peers. */
  readonly localIp: string;
  /** Random bytes that all workers of the process share, for keys that they must agree on; absent on the main thread. */
  readonly processSecret?: Uint8Array;
}

/** Runtime layers, already merged. */
export interface Runtime {
  /** Value of a key as a number, or `fallback`. */
  number(key: string, fallback: number): number;
  /** Whether a feature with `numerator`/`denominator` chance applies this time; the key, if set, overrides the numerator. */
  fraction(key: string, numerator: number, denominator: number): boolean;
}

// ---- HTTP filters -------------------------------------------------------------------------------------------------

/**
 * What follows a hook. "continue": the next filter. "stop": nothing further until the filter calls `continueRequest` or
 * `continueResponse`; body that arrives meanwhile is kept up to the buffer limit (413 / 500 beyond it). "watermark":
 * the same, but the sender is paused at the limit instead.
 */
export type Verdict = "continue" | "stop" | "watermark";

/** One filter on one stream. A hook that a filter lacks is not in the compiled chain. */
export interface HttpFilter {
  onRequestHeaders?(headers: HeaderMap, end: boolean): Verdict | Promise<Verdict>;
  onRequestData?(chunk: Buffer, end: boolean): Verdict | Promise<Verdict>;
  onRequestTrailers?(trailers: HeaderMap): Verdict | Promise<Verdict>;
  /** METADATA frames of HTTP/2; only for terminal filters. It may come before `onRequestHeaders`. */
  onRequestMetadata?(metadata: Metadata): void;
  onResponseHeaders?(headers: HeaderMap, end: boolean): Verdict | Promise<Verdict>;
  onResponseData?(chunk: Buffer, end: boolean): Verdict | Promise<Verdict>;
  onResponseTrailers?(trailers: HeaderMap): Verdict | Promise<Verdict>;
  /** The client takes data again after `respondData` returned false; only for filters that respond. */
  onResponseDrain?(): void;
  /** The stream is complete; called before access logs are written. */
  onComplete?(info: StreamInfo): void;
  /** The stream ends, in whatever way: stop timers, cancel calls. The last call. */
  onDestroy?(): void;
}

/** What a filter sees of its stream. */
export interface FilterStream {
  readonly info: StreamInfo;
  readonly requestHeaders: HeaderMap;
  readonly responseHeaders: HeaderMap | undefined;
  /** The matched route; found at first use, after filters before this one changed the request. */
  readonly route: Route | undefined;
  /** Match again at next use: headers changed. */
  clearRouteCache(): void;
  /** Typed per-route configuration of this filter, the most specific one; undefined when there is none. */
  perRoute(): unknown;
  continueRequest(): void;
  continueResponse(): void;
  /**
   * In a hook for data: goes on, or is kept, in place of the chunk. In a hook for trailers: ends the message in place of the
   * trailers. The bytes stay as they are from now on.
   */
  replaceRequestData(bytes: Buffer): void;
  replaceResponseData(bytes: Buffer): void;
  /** Answers without the upstream. Runs the response filters. `flags` are bits of ResponseFlag. */
  sendLocalReply(reply: LocalReply): void;
  /** Terminal filters: the upstream's answer. The map changes hands. */
  respondInterim(status: number, headers: HeaderMap | undefined): void;
  respondHeaders(headers: HeaderMap, end: boolean): void;
  /** Returns false when the client's connection is above its high watermark; see `onResponseDrain`. */
  respondData(chunk: Buffer, end: boolean): boolean;
  respondTrailers(trailers: HeaderMap): void;
  respondMetadata(metadata: Metadata): void;
  /** Cuts the client's stream after its response began. */
  resetStream(reason: ResetReason, details: string): void;
  /** Back-pressure on the client's body; counted. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** Whether the whole request has arrived. */
  readonly requestComplete: boolean;
  /** Body kept by a filter that said "stop", as one buffer; empty when there is none. */
  bufferedRequestBody(): Buffer;
  /** The same, and it is kept no longer: the filter puts something in its place. */
  takeRequestBody(): Buffer;
  takeResponseBody(): Buffer;
  /** Bytes that `stop` may keep: the smaller of listener, route and cluster limits. */
  readonly bufferLimit: number;
}

export interface LocalReply {
  readonly status: number;
  readonly body?: string;
  /** %RESPONSE_CODE_DETAILS%. */
  readonly details: string;
  readonly flags?: number;
  /** Headers to add, in order. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** grpc-status for gRPC clients, where it is not the one that the HTTP status maps to. */
  readonly grpcStatus?: number;
  /** Close the connection after the reply even if it could be kept. */
  readonly close?: boolean;
  /** Changes the head before content-length and content-type are set: a route's header operations. */
  readonly modify?: (headers: HeaderMap) => void;
}

export interface HttpFilterDef<C extends MessageName = MessageName, R extends MessageName = MessageName> {
  /** "envoy.filters.http.ext_authz" */
  readonly name: string;
  /** Protobuf type of the configuration, which is also how the filter is found. */
  readonly config: C;
  readonly perRoute?: R;
  /** Fields that the filter reads, of its own and of nested messages. */
  readonly ledger: Ledger;
  /** Terminal filters end the chain: they answer or forward. They take all at once: what their hooks return does not count. */
  readonly terminal?: boolean;
  /** Refuses with an Error whose message says which field is wrong and why. */
  create(config: Messages[C], context: HttpFilterContext): HttpFilterFactory;
  /** Decodes a per-route configuration once; what it returns is what `FilterStream.perRoute()` gives. */
  createPerRoute?(config: Messages[R], context: FactoryContext): unknown;
  /** What holds where both a less specific place and a more specific one say something; without it, the latter alone. */
  mergePerRoute?(parent: unknown, own: unknown): unknown;
}

/** Returns undefined when the filter does not take part in this stream. */
export type HttpFilterFactory = (stream: FilterStream) => HttpFilter | undefined;

export interface HttpFilterContext extends FactoryContext {
  /** "http.<stat_prefix>." of the connection manager. */
  readonly scope: StatScope;
  /** Whether the proxy drains: after /healthcheck/fail, before its end. */
  readonly failsHealthChecks: () => boolean;
  /** Compiles a text with %…% operators. Refuses with an Error that names what is wrong. */
  format(text: string): (info: StreamInfo) => string;
}

/** Calls of the proxy's own, over its clusters: authorisation checks, log and configuration streams and the like. */
export interface AsyncClient extends AsyncStreams, AsyncRequests {
  /**
   * The client of a gRPC service. Throws an Error if the service is not one that is called over a cluster.
   * @param timeout milliseconds that a call may take; 0 = no limit
   */
  grpc(service: Messages["envoy.config.core.v3.GrpcService"], timeout: number): GrpcClient;
}

// ---- Routes -------------------------------------------------------------------------------------------------------

/** A matched route as filters other than the router see it. */
export interface Route {
  readonly name: string;
  readonly virtualHostName: string;
  /** Cluster that it forwards to; "" for redirects, direct responses and clusters chosen per request. */
  readonly clusterName: string;
  /** Decoded per-filter configuration, most specific first: weighted cluster, route, virtual host, route table. */
  perFilter(filterName: string): unknown;
  /** Whether this filter is disabled here by a FilterConfig. */
  filterDisabled(filterName: string): boolean;
  /** Stream idle timeout in ms; undefined = the connection manager's. */
  readonly idleTimeout: number | undefined;
  /** How long this request's stream may last, in ms; 0 = no limit; undefined = the connection manager's. */
  streamDuration?(headers: HeaderMap): number | undefined;
  /** Whether it forwards to a cluster: false for redirects and direct responses. */
  readonly forwards?: boolean;
  /** Whether requests here may change to a protocol (lower case; "connect"); undefined = the connection manager's. */
  upgrade?(type: string): boolean | undefined;
  readonly metadata: Messages["envoy.config.core.v3.Metadata"] | undefined;
}

// ---- Upstream -----------------------------------------------------------------------------------------------------

/** An upstream endpoint as balancers see it. */
export interface Host {
  /** "ip:port" or a socket path; with cluster and priority its identity. */
  readonly address: string;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly healthy: boolean;
  readonly degraded: boolean;
  /** When it was added, or an active health check took it back; monotonic milliseconds. */
  readonly startedAt: number;
  readonly metadata: Messages["envoy.config.core.v3.Metadata"] | undefined;
  /** Requests in flight, from all threads. */
  readonly activeRequests: number;
  // How requests went: for /clusters, and for outlier detection.
  onConnected?(): void;
  /** It answered with this status. */
  onStatus?(status: number): void;
  /** It did not answer: a connection could not be made or broke, or time ran out. The client is told `status`. */
  onFailure?(kind: "reset" | "timeout", status: number): void;
  /** A connection for bytes was asked for. */
  onByteStream?(outcome: "connected" | "connection-failure" | "connection-timeout"): void;
}

export interface PickContext {
  readonly headers: HeaderMap | undefined;
  /** Hash of the route's hash policy; undefined = none. */
  readonly hash: bigint | undefined;
  /** What the route asks of hosts' metadata; undefined = nothing. */
  readonly metadataMatch?: MetadataMatch | undefined;
  /** Hosts already tried, for retry predicates. */
  readonly tried: readonly Host[];
  /** How often to pick again while the pick was already tried. */
  readonly maxReselections: number;
}

export interface LoadBalancer {
  /** Hot: must not allocate. */
  pick(context: PickContext): Host | undefined;
}

export interface LbPolicyDef<C extends MessageName = MessageName> {
  /** "envoy.load_balancing_policies.round_robin"; old-style names are mapped to it by the cluster. */
  readonly name: string;
  readonly config: C;
  readonly ledger: Ledger;
  create(config: Messages[C], context: FactoryContext): (hosts: readonly Host[]) => LoadBalancer;
}

/** The clusters of this thread. */
export interface Clusters {
  get(name: string): Cluster | undefined;
}

export type RoutingPriority = 0 | 1;

export interface Cluster {
  readonly name: string;
  /** Name under which stats are kept: alt_stat_name or name. */
  readonly observabilityName: string;
  readonly stats: StatScope;
  readonly metadata: Messages["envoy.config.core.v3.Metadata"] | undefined;
  /** Bytes kept per stream and direction. */
  readonly bufferLimit: number;
  /** Milliseconds; undefined = none. */
  readonly maxStreamDuration: number | undefined;
  /**
   * A host by the cluster's policy; undefined when none is fit ("no healthy upstream").
   * @param downstream the client's connection, which decides in ORIGINAL_DST clusters
   */
  pick(context: PickContext, downstream?: ConnectionInfo): Host | undefined;
  /** Circuit breakers: true and counted, or false when full. `release` takes back what was granted. */
  tryAcquire(resource: LimitedResource, priority: RoutingPriority): boolean;
  release(resource: LimitedResource, priority: RoutingPriority): void;
  /**
   * Takes a stream on a connection to `host`, from the pool or a new one. Calls back at once or later. Breakers for
   * pending requests and connections are applied here.
   */
  openStream(
    host: Host,
    priority: RoutingPriority,
    callbacks: PoolCallbacks,
    /** Head of the request, from which clusters with auto_sni take the server name. */
    headers?: HeaderMap,
    /** Protocol of the client, for clusters that speak as it does. */
    downstreamProtocol?: string,
    /** The client's connection, of which some transport sockets tell the host. */
    client?: ConnectionInfo,
  ): PoolRequest;
  /**
   * Opens a connection to `host` for bytes of any kind. The caller has acquired a connection of default priority, which
   * is released when the connection ends or fails. Calls back once, at once or later.
   */
  connect(host: Host, callbacks: ConnectCallbacks, client?: ConnectionInfo): PoolRequest;
}

/** What a caller itself takes of the circuit breakers; the rest is applied where streams are opened. */
export type LimitedResource = "connections" | "requests" | "retries";

export interface PoolCallbacks {
  /** The stream's handler is set by the receiver before it returns. */
  onPoolReady(stream: CodecStream, connection: UpstreamConnectionInfo): void;
  onPoolFailure(reason: "overflow" | "connection-failure" | "connection-timeout", detail: string): void;
}

export interface ConnectCallbacks extends Pick<PoolCallbacks, "onPoolFailure"> {
  /** The connection stands; its handler is set by the receiver before it returns. */
  onConnected(connection: UpstreamConnection): void;
}

/** A connection to a host that one owner has for itself. */
export interface UpstreamConnection extends UpstreamConnectionInfo {
  /** For pausing and looking; writing and ending is counted here. */
  readonly connection: Connection;
  handler: ConnectionHandler;
  /** See Connection.writeBytes. */
  write(bytes: Buffer): boolean;
  /** Half-closes after what is queued. */
  end(): void;
  /** Closes after what is queued. */
  close(): void;
  /** Closes at once; what is queued is lost. */
  destroy(): void;
  /** Closes at once with a TCP RST. */
  reset(): void;
}

export interface PoolRequest {
  /** Takes the wish back; nothing is called any more. */
  cancel(): void;
}

export interface UpstreamConnectionInfo {
  readonly localAddress: string;
  readonly protocol: string;
  /** Streams that this connection carried before. */
  readonly requests: number;
  /** Undefined on plaintext connections. */
  readonly tls?: TlsInfo | undefined;
}

// ---- Access logs --------------------------------------------------------------------------------------------------

export interface AccessLogDef<C extends MessageName = MessageName> {
  readonly name: string;
  readonly config: C;
  readonly ledger: Ledger;
  create(config: Messages[C], context: AccessLogContext): AccessLogSink;
}

export interface AccessLogContext extends FactoryContext {
  /** Compiles a format; undefined gives Envoy's default line. The result ends in a line feed if the format says so. */
  format(
    config: Messages["envoy.config.core.v3.SubstitutionFormatString"] | undefined,
  ): (info: StreamInfo) => string;
  /** Compiles the bare text or JSON of older fields. */
  formatText(text: string): (info: StreamInfo) => string;
  formatJson(json: unknown): (info: StreamInfo) => string;
  /** The thread's one writer for a path; nothing is opened before the first line. */
  logFile(path: string): LogFile;
}

/** A buffered file of lines. */
export interface LogFile {
  write(text: string): void;
  flush(): void;
  reopen(): void;
}

export interface AccessLogSink {
  log(info: StreamInfo): void;
  /** Writes out what is buffered. */
  flush(): void;
  /** Opens files anew, after rotation. */
  reopen(): void;
}

/** %NAME(argument):max_length% of a format string. */
export interface OperatorDef {
  /** "RESPONSE_CODE" */
  readonly name: string;
  /** Refuses a bad argument with an Error. The result is called once per log line; undefined prints "-" (null in JSON). */
  create(argument: string | undefined, operators: readonly OperatorDef[]): Formatter;
}

/** What an operator yields: strings print as they are, everything keeps its type in JSON formats. */
export type FormatValue =
  | string
  | number
  | boolean
  | undefined
  | readonly FormatValue[]
  | { readonly [key: string]: FormatValue };
export type Formatter = (info: StreamInfo) => FormatValue;

// ---- Manifest -----------------------------------------------------------------------------------------------------

/** What a proxy ships with; passed in, never found by import side effect. */
export interface Extensions {
  readonly http: readonly HttpFilterDef[];
  readonly network: readonly NetworkFilterDef[];
  readonly lb: readonly LbPolicyDef[];
  readonly accessLog: readonly AccessLogDef[];
  readonly operators: readonly OperatorDef[];
  readonly listenerFilters?: readonly ListenerFilterDef[];
  readonly transportSockets?: readonly TransportSocketDef[];
}
