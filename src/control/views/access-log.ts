import { typed, type JsonFields } from "./envoy-json.ts";

/** Every hop logs the same request id and trace context. */
const FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  "%RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% " +
  "request_id=%REQ(X-REQUEST-ID)% traceparent=%REQ(TRACEPARENT)% authority=%REQ(:AUTHORITY)% upstream=%UPSTREAM_HOST%\n";

/** The access log fields of an HTTP connection manager. @param target "stdout", "off" or a path */
export function accessLog(target: string): JsonFields {
  if (target === "off") return {};
  const log_format = { text_format_source: { inline_string: FORMAT } };
  return {
    access_log: [
      target === "stdout"
        ? {
            name: "envoy.access_loggers.stdout",
            typed_config: typed("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", { log_format }),
          }
        : {
            name: "envoy.access_loggers.file",
            typed_config: typed("envoy.extensions.access_loggers.file.v3.FileAccessLog", {
              path: target,
              log_format,
            }),
          },
    ],
  };
}
