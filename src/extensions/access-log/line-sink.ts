import type { AccessLogSink, LogFile, StreamInfo } from "../../proxy/api.ts";

/** One line per request into a file. */
export function lineSink(file: LogFile, format: (info: StreamInfo) => string): AccessLogSink {
  return {
    log: (info) => file.write(format(info)),
    flush: () => file.flush(),
    reopen: () => file.reopen(),
  };
}
