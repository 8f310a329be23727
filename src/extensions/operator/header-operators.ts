import { sectionBytes } from "./section-bytes.ts";
import { isGrpcContentType } from "../../grpc/content-type.ts";
import { statusOfHttp } from "../../grpc/status.ts";
import { headerId } from "../../http/header-name.ts";
import type { HeaderMap, OperatorDef, StreamInfo } from "../../proxy/api.ts";
import { plain, withArgument } from "./define.ts";

type Source = (info: StreamInfo) => HeaderMap | undefined;
type Read = (headers: HeaderMap) => string | undefined;

const request: Source = (info) => info.requestHeaders;
const response: Source = (info) => info.responseHeaders;
const trailers: Source = (info) => info.responseTrailers;

/** Operators that read headers: `%REQ(X?Y)%` takes Y where X is absent. */
export const headerOperators: readonly OperatorDef[] = [
  headerOperator("REQ", request),
  headerOperator("REQUEST_HEADER", request),
  headerOperator("RESP", response),
  headerOperator("RESPONSE_HEADER", response),
  headerOperator("TRAILER", trailers),
  headerOperator("RESPONSE_TRAILER", trailers),
  withArgument("REQ_WITHOUT_QUERY", (argument) => {
    const read = headerReader(argument);
    return (info) =>
      info.requestHeaders === undefined ? undefined : withoutQuery(read(info.requestHeaders));
  }),
  pathOperator(),
  withArgument("QUERY_PARAM", (name) => (info) => queryParameter(info.requestHeaders?.path ?? "", name)),
  plain("QUERY_PARAMS", (info) => {
    const path = info.requestHeaders?.path ?? "";
    const mark = path.indexOf("?");
    return mark < 0 || mark + 1 === path.length ? undefined : path.slice(mark + 1);
  }),
  plain("REQUEST_HEADERS_BYTES", (info) => sectionBytes(info.requestHeaders)),
  plain("RESPONSE_HEADERS_BYTES", (info) => sectionBytes(info.responseHeaders)),
  plain("RESPONSE_TRAILERS_BYTES", (info) => sectionBytes(info.responseTrailers)),
  grpcStatusOperator("GRPC_STATUS"),
  plain("GRPC_STATUS_NUMBER", grpcStatus),
  plain("STREAM_ID", (info) => info.requestHeaders?.get("x-request-id")),
  plain("TRACE_ID", (info) => {
    const parent = info.requestHeaders?.get("traceparent");
    return parent === undefined || parent.length < 55 ? undefined : parent.slice(3, 35);
  }),
];

function headerOperator(name: string, source: Source): OperatorDef {
  return withArgument(name, (argument) => {
    const read = headerReader(argument);
    return (info) => {
      const headers = source(info);
      return headers === undefined ? undefined : read(headers);
    };
  });
}

/** Reader of "NAME" or "NAME?ALTERNATIVE". */
function headerReader(argument: string): Read {
  const names = argument.toLowerCase().split("?");
  if (names.length > 2) throw new Error(`More than 1 alternative header specified in token: ${argument}`);
  const first = singleReader(names[0]!);
  if (names.length === 1) return first;
  const second = singleReader(names[1]!);
  return (headers) => first(headers) ?? second(headers);
}

function singleReader(name: string): Read {
  switch (name) {
    case ":method":
      return (headers) => headers.method || undefined;
    case ":path":
      return (headers) => headers.path || undefined;
    case ":authority":
    case "host":
      return (headers) => headers.authority || undefined;
    default: {
      const id = headerId(name);
      return id !== 0 ? (headers) => headers.getId(id) : (headers) => headers.get(name);
    }
  }
}

function withoutQuery(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const mark = path.indexOf("?");
  return mark < 0 ? path : path.slice(0, mark);
}

function pathOperator(): OperatorDef {
  return {
    name: "PATH",
    create(argument) {
      const [query = "", which = ""] = (argument ?? "").split(":");
      if (!["", "WQ", "NQ"].includes(query)) throw new Error(`Invalid PATH option: ${query}`);
      if (!["", "ORIG", "PATH", "ORIG_OR_PATH"].includes(which))
        throw new Error(`Invalid PATH option: ${which}`);
      const read = headerReader(
        which === "PATH"
          ? ":path"
          : which === "ORIG"
            ? "x-envoy-original-path"
            : "x-envoy-original-path?:path",
      );
      return (info) => {
        const path = info.requestHeaders === undefined ? undefined : read(info.requestHeaders);
        return query === "NQ" ? withoutQuery(path) : path;
      };
    },
  };
}

function queryParameter(path: string, name: string): string | undefined {
  const mark = path.indexOf("?");
  return mark < 0 ? undefined : (new URLSearchParams(path.slice(mark + 1)).get(name) ?? undefined);
}

const GRPC_NAMES = [
  "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
  "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
  "DataLoss", "Unauthenticated",
]; // prettier-ignore

/** Of gRPC requests alone; what the HTTP status stands for when the upstream did not say. */
function grpcStatus(info: StreamInfo): number | undefined {
  if (!isGrpcContentType(info.requestHeaders?.get("content-type"))) return undefined;
  const text = info.responseTrailers?.get("grpc-status") ?? info.responseHeaders?.get("grpc-status");
  if (text !== undefined) return Number(text);
  return info.responseCode === 0 ? undefined : statusOfHttp(info.responseCode);
}

function grpcStatusOperator(name: string): OperatorDef {
  return {
    name,
    create(argument = "CAMEL_STRING") {
      if (argument === "NUMBER") return grpcStatus;
      if (argument !== "CAMEL_STRING" && argument !== "SNAKE_STRING")
        throw new Error(`GRPC_STATUS only supports CAMEL_STRING, SNAKE_STRING or NUMBER.`);
      return (info) => {
        const status = grpcStatus(info);
        if (status === undefined) return undefined;
        const camel = GRPC_NAMES[status];
        if (camel === undefined) return String(status);
        return argument === "CAMEL_STRING" ? camel : camel.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
      };
    },
  };
}
