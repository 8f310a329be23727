import type { MeshPolicy } from "../policy/mesh-policy.ts";
import { typed, type JsonFields } from "./envoy-json.ts";

/** Every hop logs the same request id and trace context. */
const FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  "%RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% " +
  "request_id=%REQ(X-REQUEST-ID)% traceparent=%REQ(TRACEPARENT)% authority=%REQ(:AUTHORITY)% upstream=%UPSTREAM_HOST%\n";

/** Tells the cluster of requests that no host was found for, too, whose entries Envoy leaves without one. */
export const CLUSTER_TAG = "weft.cluster";

const TO_CONTROL = "control";

/** What of a policy access logs are made of. */
export type AccessLogPolicy = Pick<MeshPolicy, "access_log" | "control_cluster">;

/** The access log fields of an HTTP connection manager. */
export function accessLog({ access_log: target, control_cluster: control }: AccessLogPolicy): JsonFields {
  if (target === "off") return {};
  if (target === TO_CONTROL) return grpcLog("Http", "http_grpc", control);
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

/** The access log fields of a TCP proxy, whose connections only the control plane is told of. */
export function tcpAccessLog({ access_log: target, control_cluster: control }: AccessLogPolicy): JsonFields {
  return target === TO_CONTROL ? grpcLog("Tcp", "tcp_grpc", control) : {};
}

function grpcLog(kind: "Http" | "Tcp", name: string, control: string): JsonFields {
  return {
    access_log: [
      {
        name: `envoy.access_loggers.${name}`,
        typed_config: typed(`envoy.extensions.access_loggers.grpc.v3.${kind}GrpcAccessLogConfig`, {
          common_config: {
            log_name: "weft",
            transport_api_version: "V3",
            grpc_service: { envoy_grpc: { cluster_name: control } },
            custom_tags: [{ tag: CLUSTER_TAG, value: "%UPSTREAM_CLUSTER%" }],
          },
        }),
      },
    ],
  };
}
