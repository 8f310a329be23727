import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { ResponseFlag, type FactoryContext, type StreamInfo } from "../api.ts";
import { HeaderMatcher, headerMatcherLedger } from "../matcher/header-matcher.ts";
import { formatResponseFlags } from "../response-flags.ts";

type Config = Messages["envoy.config.accesslog.v3.AccessLogFilter"];
type Comparison = Messages["envoy.config.accesslog.v3.ComparisonFilter"];
type Percent = Messages["envoy.type.v3.FractionalPercent"];

/** Whether a request is to be logged. */
export type AccessLogFilter = (info: StreamInfo) => boolean;

/** What of the filters is read. */
export const accessLogFilterLedger: Ledger = {
  ...headerMatcherLedger,
  "envoy.config.accesslog.v3.AccessLog": ["name", "filter", "typed_config"],
  "envoy.config.accesslog.v3.AccessLogFilter": [
    "status_code_filter",
    "duration_filter",
    "not_health_check_filter",
    "runtime_filter",
    "and_filter",
    "or_filter",
    "header_filter",
    "response_flag_filter",
    "grpc_status_filter",
  ],
  "envoy.config.accesslog.v3.StatusCodeFilter": "all",
  "envoy.config.accesslog.v3.DurationFilter": "all",
  "envoy.config.accesslog.v3.NotHealthCheckFilter": "all",
  "envoy.config.accesslog.v3.ComparisonFilter": "all",
  "envoy.config.accesslog.v3.RuntimeFilter": "all",
  "envoy.config.accesslog.v3.AndFilter": "all",
  "envoy.config.accesslog.v3.OrFilter": "all",
  "envoy.config.accesslog.v3.HeaderFilter": "all",
  "envoy.config.accesslog.v3.ResponseFlagFilter": "all",
  "envoy.config.accesslog.v3.GrpcStatusFilter": "all",
  "envoy.config.core.v3.RuntimeUInt32": "all",
  "envoy.type.v3.FractionalPercent": "all",
};

/** Refuses with an Error that names the filter. */
export function compileAccessLogFilter(config: Config, context: FactoryContext): AccessLogFilter {
  const specifier = config.filterSpecifier;
  switch (specifier.case) {
    case "statusCodeFilter":
      return compare(specifier.value.comparison, context, (info) => info.responseCode);
    case "durationFilter":
      return compare(specifier.value.comparison, context, (info) => Math.trunc(info.end - info.start));
    case "notHealthCheckFilter":
      return (info) => info.dynamicMetadata?.get("envoy.filters.http.health_check") === undefined;
    case "runtimeFilter":
      return runtime(specifier.value, context);
    case "andFilter": {
      const filters = specifier.value.filters.map((each) => compileAccessLogFilter(each, context));
      return (info) => filters.every((filter) => filter(info));
    }
    case "orFilter": {
      const filters = specifier.value.filters.map((each) => compileAccessLogFilter(each, context));
      return (info) => filters.some((filter) => filter(info));
    }
    case "headerFilter":
      return header(specifier.value);
    case "responseFlagFilter":
      return flags(specifier.value.flags);
    case "grpcStatusFilter": {
      const { statuses, exclude } = specifier.value;
      const wanted = new Set<number>(statuses as readonly number[]);
      return (info) => wanted.has(grpcStatus(info)) !== exclude;
    }
    default:
      throw new Error(`AccessLogFilter: ${specifier.case ?? "an empty filter"} is not supported`);
  }
}

function compare(
  comparison: Comparison | undefined,
  context: FactoryContext,
  read: (info: StreamInfo) => number,
): AccessLogFilter {
  if (comparison?.value === undefined) throw new Error("ComparisonFilter: value must be set");
  const { defaultValue, runtimeKey } = comparison.value;
  const limit =
    runtimeKey === "" ? () => defaultValue : () => context.runtime.number(runtimeKey, defaultValue);
  switch (comparison.op as number) {
    case 0:
      return (info) => read(info) === limit();
    case 1:
      return (info) => read(info) >= limit();
    case 2:
      return (info) => read(info) <= limit();
    default:
      return (info) => read(info) !== limit();
  }
}

const DENOMINATORS = [100, 10_000, 1_000_000] as const;

function runtime(
  config: Messages["envoy.config.accesslog.v3.RuntimeFilter"],
  context: FactoryContext,
): AccessLogFilter {
  const percent: Percent | undefined = config.percentSampled;
  const denominator = DENOMINATORS[percent?.denominator ?? 0]!;
  const numerator = percent?.numerator ?? 0;
  return () => context.runtime.fraction(config.runtimeKey, numerator, denominator);
}

function header(config: Messages["envoy.config.accesslog.v3.HeaderFilter"]): AccessLogFilter {
  if (config.header === undefined) throw new Error("HeaderFilter: header must be set");
  const matcher = new HeaderMatcher(config.header);
  return (info) => info.requestHeaders !== undefined && matcher.matches(info.requestHeaders);
}

function flags(names: readonly string[]): AccessLogFilter {
  if (names.length === 0) return (info) => info.responseFlags !== 0;
  const byName = new Map<string, number>();
  for (const bit of Object.values(ResponseFlag)) {
    const name = formatResponseFlags(bit);
    byName.set(name, (byName.get(name) ?? 0) | bit);
  }
  let mask = 0;
  for (const name of names) {
    const bit = byName.get(name);
    if (bit === undefined)
      throw new Error(
        `ResponseFlagFilter: unknown flag "${name}", known are ${[...byName.keys()].join(", ")}`,
      );
    mask |= bit;
  }
  return (info) => (info.responseFlags & mask) !== 0;
}

/** By grpc-status, else by what the HTTP status maps to (gRPC's http-grpc-status-mapping). */
function grpcStatus(info: StreamInfo): number {
  const text = info.responseTrailers?.get("grpc-status") ?? info.responseHeaders?.get("grpc-status");
  if (text !== undefined) return Number(text);
  return HTTP_TO_GRPC[info.responseCode] ?? 2;
}

const HTTP_TO_GRPC: Readonly<Record<number, number>> = { 200: 0, 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 }; // prettier-ignore
