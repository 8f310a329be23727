import { headerId } from "../../http/header-name.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { only } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { create, encode, type MessageInit, type MessageOf } from "../../proto/registry.ts";
import type { AccessLogDef, StreamInfo } from "../../proxy/api.ts";
import { sectionBytes } from "../operator/section-bytes.ts";
import { commonProperties } from "./grpc/common-properties.ts";
import { customTagLedger, customTags } from "./grpc/custom-tags.ts";
import { LogStream } from "./grpc/log-stream.ts";

type Config = Messages["envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"];
type Entry = MessageOf<"envoy.data.accesslog.v3.HTTPAccessLogEntry">;
type RequestProperties = MessageInit<"envoy.data.accesslog.v3.HTTPRequestProperties">;
type ResponseProperties = MessageInit<"envoy.data.accesslog.v3.HTTPResponseProperties">;

const ENTRY = "envoy.data.accesslog.v3.HTTPAccessLogEntry";
/** HTTPAccessLogEntry.HTTPVersion. */
const VERSIONS: Readonly<Record<string, number>> = { "HTTP/1.0": 1, "HTTP/1.1": 2, "HTTP/2": 3 };
/** RequestMethod; others are unspecified. */
const METHODS = ["", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/** Entries of HTTP requests for an access log service (ALS). */
export const httpGrpcAccessLog: AccessLogDef<"envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"> =
  {
    name: "envoy.access_loggers.http_grpc",
    config: "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
    ledger: {
      "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig": "all",
      "envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig": [
        "log_name",
        "grpc_service",
        only("transport_api_version", "V3", "AUTO"),
        "buffer_flush_interval",
        "buffer_size_bytes",
        "custom_tags",
      ],
      ...customTagLedger,
    },
    create(config, context) {
      const stream = new LogStream<Entry>(config.commonConfig, context, (entries) => ({
        case: "httpLogs",
        value: { logEntry: [...entries] },
      }));
      const wanted = headersWanted(config);
      const tags = customTags(config.commonConfig?.customTags ?? [], context);
      return {
        log(info) {
          const entry = create(ENTRY, entryOf(info, wanted, tags(info)));
          stream.add(entry, encode(ENTRY, entry).length);
        },
        flush: () => stream.flush(),
        reopen() {},
      };
    },
  };

interface HeadersWanted {
  readonly request: readonly string[];
  readonly response: readonly string[];
  readonly trailers: readonly string[];
}

function headersWanted(config: Config): HeadersWanted {
  const lower = (names: readonly string[]) => names.map((name) => name.toLowerCase());
  return {
    request: lower(config.additionalRequestHeadersToLog),
    response: lower(config.additionalResponseHeadersToLog),
    trailers: lower(config.additionalResponseTrailersToLog),
  };
}

function entryOf(
  info: StreamInfo,
  wanted: HeadersWanted,
  customTags: Record<string, string>,
): MessageInit<typeof ENTRY> {
  return {
    commonProperties: { ...commonProperties(info), customTags },
    protocolVersion: VERSIONS[info.protocol] ?? 0,
    request: requestOf(info, wanted),
    response: responseOf(info, wanted),
  };
}

function requestOf(info: StreamInfo, wanted: HeadersWanted): RequestProperties {
  const headers = info.requestHeaders;
  if (headers === undefined) return {};
  return {
    requestMethod: Math.max(0, METHODS.indexOf(headers.method)),
    scheme: unicode(headers.scheme),
    authority: unicode(headers.authority),
    path: unicode(headers.path),
    userAgent: text(headers, "user-agent"),
    referer: text(headers, "referer"),
    forwardedFor: text(headers, "x-forwarded-for"),
    requestId: text(headers, "x-request-id"),
    originalPath: text(headers, "x-envoy-original-path"),
    requestHeadersBytes: BigInt(sectionBytes(headers)),
    requestBodyBytes: BigInt(info.bytesReceived),
    requestHeaders: pick(headers, wanted.request),
  };
}

function responseOf(info: StreamInfo, wanted: HeadersWanted): ResponseProperties {
  const { responseHeaders: headers, responseTrailers: trailers } = info;
  return {
    ...(info.responseCode !== 0 && { responseCode: info.responseCode }),
    responseHeadersBytes: BigInt(sectionBytes(headers)),
    responseBodyBytes: BigInt(info.bytesSent),
    responseHeaders: pick(headers, wanted.response),
    responseTrailers: pick(trailers, wanted.trailers),
    responseCodeDetails: info.responseCodeDetails,
  };
}

function pick(headers: HeaderMap | undefined, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  if (headers === undefined) return found;
  for (const name of names) {
    const value = headerId(name) === 0 ? headers.getAll(name).join(",") : headers.get(name);
    if (value !== undefined && headers.has(name)) found[name] = unicode(value);
  }
  return found;
}

function text(headers: HeaderMap, name: string): string {
  return unicode(headers.get(name) ?? "");
}

/** Header bytes as text; those that are not UTF-8 become U+FFFD. */
function unicode(value: string): string {
  return Buffer.from(value, "latin1").toString("utf8");
}
