import { configTypeName, unpackAs } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { within } from "../../proto/within.ts";
import type {
  AccessLogContext,
  AccessLogSink,
  AccessLogs,
  FactoryContext,
  NetworkFilterContext,
  StreamInfo,
} from "../api.ts";
import { compileFormat } from "../formatter/format.ts";
import { DEFAULT_ACCESS_LOG_FORMAT } from "../formatter/default-format.ts";
import { compileJsonFormat } from "../formatter/json-format.ts";
import { compileSubstitutionFormat } from "../formatter/substitution-format.ts";
import { compileAccessLogFilter, type AccessLogFilter } from "./access-log-filter.ts";
import { logFiles } from "./log-files.ts";

type Config = Messages["envoy.config.accesslog.v3.AccessLog"];

/** One access log: what passes the filter goes to the sink. */
export interface AccessLog {
  readonly filter: AccessLogFilter | undefined;
  readonly sink: AccessLogSink;
}

/** Creates access logs; refuses unknown sinks and bad formats. Opens no file. */
export function compileAccessLogs(list: readonly Config[], context: NetworkFilterContext): AccessLog[] {
  if (list.length === 0) return [];
  const logContext = accessLogContext(context);
  return list.map((config, i) =>
    within(["access_log", i], () => ({
      filter:
        config.filter === undefined
          ? undefined
          : within(["filter"], () => compileAccessLogFilter(config.filter!, context)),
      sink: within(["typed_config"], () => createSink(config, logContext, context)),
    })),
  );
}

/** The same as one object that writes to all of them. */
export function createAccessLogs(list: readonly Config[], context: NetworkFilterContext): AccessLogs {
  const logs = compileAccessLogs(list, context);
  return {
    write: (info) => writeAccessLogs(logs, info, context),
    flush: () => {
      for (const { sink } of logs) sink.flush();
    },
  };
}

/** Logs a finished request everywhere. An operator or sink that throws costs its line, not the thread. */
export function writeAccessLogs(logs: readonly AccessLog[], info: StreamInfo, context: FactoryContext): void {
  for (let i = 0; i < logs.length; i++) {
    const { filter, sink } = logs[i]!;
    try {
      if (filter === undefined || filter(info)) sink.log(info);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      context.logger("misc").error(`Cannot write an access log line: ${text}`);
    }
  }
}

function createSink(
  config: Config,
  logContext: AccessLogContext,
  context: NetworkFilterContext,
): AccessLogSink {
  if (config.configType.case !== "typedConfig")
    throw new Error(`access_log "${config.name}": typed_config must be set`);
  const any = config.configType.value;
  const type = configTypeName(any);
  const def = context.extensions.accessLog.find((each) => each.config === type);
  if (def === undefined)
    throw new Error(`Didn't find a registered implementation for '${config.name}' with type URL: '${type}'`);
  return def.create(unpackAs(any, def.config) as never, logContext);
}

function accessLogContext(context: NetworkFilterContext): AccessLogContext {
  const operators = context.extensions.operators;
  const files = logFiles(context.clock);
  return {
    ...context,
    format: (config) =>
      config === undefined
        ? compileFormat(DEFAULT_ACCESS_LOG_FORMAT, operators)
        : compileSubstitutionFormat(config, operators),
    formatText: (text) => compileFormat(text, operators),
    formatJson(json) {
      const format = compileJsonFormat(json, operators);
      return (info) => format(info) + "\n";
    },
    logFile: (path) => files.file(path),
  };
}
