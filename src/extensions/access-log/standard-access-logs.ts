import type { AccessLogDef } from "../../proxy/api.ts";
import { lineSink } from "./line-sink.ts";

/** Lines to the process's standard output. */
export const stdoutAccessLog: AccessLogDef<"envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"> = {
  name: "envoy.access_loggers.stdout",
  config: "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
  ledger: { "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog": "all" },
  create: (config, context) =>
    lineSink(context.logFile("/dev/stdout"), context.format(config.accessLogFormat.value)),
};

/** Lines to the process's standard error. */
export const stderrAccessLog: AccessLogDef<"envoy.extensions.access_loggers.stream.v3.StderrAccessLog"> = {
  name: "envoy.access_loggers.stderr",
  config: "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
  ledger: { "envoy.extensions.access_loggers.stream.v3.StderrAccessLog": "all" },
  create: (config, context) =>
    lineSink(context.logFile("/dev/stderr"), context.format(config.accessLogFormat.value)),
};
