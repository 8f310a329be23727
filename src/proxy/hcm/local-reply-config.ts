import type { Messages } from "../../proto/messages.d.ts";
import type { NetworkFilterContext, StreamInfo } from "../api.ts";
import { compileAccessLogFilter, type AccessLogFilter } from "../access-log/access-log-filter.ts";
import { compileSubstitutionFormat, readDataSource } from "../formatter/substitution-format.ts";
import { compileFormat } from "../formatter/format.ts";

type LocalReplyConfig =
  Messages["envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig"];
type ResponseMapper = Messages["envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper"];
type SubstitutionFormatString = Messages["envoy.config.core.v3.SubstitutionFormatString"];
type HeaderValueOption = Messages["envoy.config.core.v3.HeaderValueOption"];

/** How a local reply is to look. */
export interface RewrittenReply {
  status: number;
  body: string;
  contentType: string;
  headers: (readonly [name: string, value: string])[];
}

/** local_reply_config, compiled. */
export interface LocalReplies {
  /** `info` has the original status, flags, details and body. */
  rewrite(info: StreamInfo): RewrittenReply;
}

interface Body {
  readonly contentType: string;
  readonly format: (info: StreamInfo) => string;
}
interface Mapper {
  readonly filter: AccessLogFilter;
  readonly status: number | undefined;
  readonly body: string | undefined;
  readonly format: Body | undefined;
  readonly headers: readonly { readonly name: string; readonly value: (info: StreamInfo) => string }[];
}

/** Undefined when there is nothing to change. */
export function compileLocalReplies(
  config: LocalReplyConfig | undefined,
  context: NetworkFilterContext,
): LocalReplies | undefined {
  if (config === undefined) return undefined;
  const mappers = config.mappers.map((mapper) => compileMapper(mapper, context));
  const bodyFormat = compileBody(config.bodyFormat, context);
  return {
    rewrite(info) {
      const reply: RewrittenReply = {
        status: info.responseCode,
        body: info.localReplyBody,
        contentType: "text/plain",
        headers: [],
      };
      const mapper = mappers.find((each) => each.filter(info));
      if (mapper?.status !== undefined) reply.status = info.responseCode = mapper.status;
      if (mapper?.body !== undefined) reply.body = info.localReplyBody = mapper.body;
      for (const header of mapper?.headers ?? []) reply.headers.push([header.name, header.value(info)]);
      const format = mapper?.format ?? bodyFormat;
      if (format !== undefined) {
        reply.body = format.format(info);
        reply.contentType = format.contentType;
      }
      return reply;
    },
  };
}

function compileMapper(mapper: ResponseMapper, context: NetworkFilterContext): Mapper {
  if (mapper.filter === undefined) throw new Error("LocalReplyConfig: a mapper needs a filter");
  return {
    filter: compileAccessLogFilter(mapper.filter, context),
    status: mapper.statusCode,
    body: mapper.body === undefined ? undefined : readDataSource(mapper.body),
    format: compileBody(mapper.bodyFormatOverride, context),
    headers: mapper.headersToAdd.map((option) => compileHeader(option, context)),
  };
}

function compileHeader(option: HeaderValueOption, context: NetworkFilterContext): Mapper["headers"][number] {
  const header = option.header;
  return {
    name: (header?.key ?? "").toLowerCase(),
    value: compileFormat(header?.value ?? "", context.extensions.operators, { omitEmpty: true }),
  };
}

function compileBody(
  config: SubstitutionFormatString | undefined,
  context: NetworkFilterContext,
): Body | undefined {
  if (config === undefined) return undefined;
  const json = config.format.case === "jsonFormat";
  return {
    contentType: config.contentType || (json ? "application/json" : "text/plain"),
    format: compileSubstitutionFormat(config, context.extensions.operators),
  };
}
