import { durationMs } from "../../proto/duration.ts";
import { create, decode, encode, type MessageOf } from "../../proto/registry.ts";
import { encodeFrame } from "../../grpc/frame.ts";
import type { GrpcCall, GrpcCallHandler } from "../../grpc/server-method.ts";
import { GRPC_STATUS } from "../../grpc/status.ts";
import { CLUSTER_TAG } from "../views/access-log.ts";
import type { SeenConnection, SeenRequest } from "./seen-traffic.ts";

type HttpEntry = MessageOf<"envoy.data.accesslog.v3.HTTPAccessLogEntry">;
type TcpEntry = MessageOf<"envoy.data.accesslog.v3.TCPAccessLogEntry">;
type Common = MessageOf<"envoy.data.accesslog.v3.AccessLogCommon">;

export const ACCESS_LOG_METHOD = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/** Where entries go. */
export interface AccessLogOwner {
  request(request: SeenRequest): void;
  connection(connection: SeenConnection): void;
  /** @param stream the same object for `opened` and `closed` */
  opened(stream: object): void;
  closed(stream: object): void;
}

// RequestMethod by number.
const METHODS = ["", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
// AccessLogType: entries about what is over. Older clients do not say.
const NOT_SET = 0;
const TCP_CONNECTION_END = 3;
const DOWNSTREAM_END = 6;

/** One stream of access log entries of a proxy; what they say of requests and connections that are over is passed on. */
export class AccessLogStream implements GrpcCallHandler {
  readonly #call: GrpcCall;
  readonly #owner: AccessLogOwner;
  #nodeCluster = "";

  constructor(call: GrpcCall, owner: AccessLogOwner) {
    this.#call = call;
    this.#owner = owner;
    owner.opened(this);
  }

  onMessage(bytes: Buffer): void {
    const message = decode("envoy.service.accesslog.v3.StreamAccessLogsMessage", bytes);
    // Only the first message of a stream says whose it is.
    if (message.identifier !== undefined) this.#nodeCluster = message.identifier.node?.cluster ?? "";
    const { logEntries } = message;
    if (logEntries.case === "httpLogs") for (const entry of logEntries.value.logEntry) this.#onRequest(entry);
    else if (logEntries.case === "tcpLogs")
      for (const entry of logEntries.value.logEntry) this.#onConnection(entry);
  }

  onEnd(): void {
    this.#end();
  }

  /** The proxy opens another stream with its next entry. */
  onGoAway(): void {
    this.#end();
  }

  onClose(): void {
    this.#owner.closed(this);
  }

  #end(): void {
    const name = "envoy.service.accesslog.v3.StreamAccessLogsResponse";
    this.#call.send(encodeFrame(encode(name, create(name))));
    this.#call.end(GRPC_STATUS.ok);
  }

  #onRequest({ commonProperties: common, request, response }: HttpEntry): void {
    if (!isOver(common, DOWNSTREAM_END)) return;
    this.#owner.request({
      cluster: clusterOf(common),
      nodeCluster: this.#nodeCluster,
      status: response?.responseCode ?? 0,
      method: METHODS[request?.requestMethod ?? 0] ?? "",
      route: common?.routeName ?? "",
      url: urlOf(request),
      startMs: startOf(common),
      durationMs: lastOf(common),
    });
  }

  #onConnection({ commonProperties: common }: TcpEntry): void {
    if (!isOver(common, TCP_CONNECTION_END)) return;
    this.#owner.connection({
      cluster: clusterOf(common),
      nodeCluster: this.#nodeCluster,
      connected: common?.upstreamRemoteAddress !== undefined && !failedToConnect(common),
    });
  }
}

function isOver(common: Common | undefined, end: number): boolean {
  const type: number = common?.accessLogType ?? NOT_SET;
  return (type === NOT_SET || type === end) && common?.intermediateLogEntry !== true;
}

function clusterOf(common: Common | undefined): string {
  return common?.upstreamCluster || (common?.customTags[CLUSTER_TAG] ?? "");
}

function startOf(common: Common | undefined): number {
  const start = common?.startTime;
  return start === undefined ? Number.NaN : Number(start.seconds) * 1000 + start.nanos / 1e6;
}

/** A slow client is not the service's fault, so the time until the host's last byte counts when it is told. */
function lastOf(common: Common | undefined): number {
  return durationMs(
    common?.timeToLastUpstreamRxByte ?? common?.duration ?? common?.timeToLastDownstreamTxByte,
    Number.NaN,
  );
}

function failedToConnect({ responseFlags: flags }: Common): boolean {
  return flags?.upstreamConnectionFailure === true || flags?.noHealthyUpstream === true;
}

function urlOf(request: HttpEntry["request"]): string {
  if (request === undefined) return "";
  const path = request.originalPath || request.path;
  const query = path.indexOf("?");
  return `${request.scheme || "http"}://${request.authority}${query < 0 ? path : path.slice(0, query)}`;
}
