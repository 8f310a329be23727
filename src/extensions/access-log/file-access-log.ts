import type { AccessLogDef, AccessLogContext, StreamInfo } from "../../proxy/api.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { lineSink } from "./line-sink.ts";

type Config = Messages["envoy.extensions.access_loggers.file.v3.FileAccessLog"];

/** Lines of text or JSON into a file. */
export const fileAccessLog: AccessLogDef<"envoy.extensions.access_loggers.file.v3.FileAccessLog"> = {
  name: "envoy.access_loggers.file",
  config: "envoy.extensions.access_loggers.file.v3.FileAccessLog",
  ledger: { "envoy.extensions.access_loggers.file.v3.FileAccessLog": "all" },
  create: (config, context) => lineSink(context.logFile(config.path), compile(config, context)),
};

function compile(config: Config, context: AccessLogContext): (info: StreamInfo) => string {
  const format = config.accessLogFormat;
  switch (format.case) {
    case "format":
      return format.value === "" ? context.format(undefined) : context.formatText(format.value);
    case "jsonFormat":
    case "typedJsonFormat":
      return context.formatJson(format.value);
    case "logFormat":
      return context.format(format.value);
    default:
      return context.format(undefined);
  }
}
