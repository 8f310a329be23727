import { only } from "../../proto/ledger.ts";
import { create, encode, type MessageOf } from "../../proto/registry.ts";
import type { AccessLogDef } from "../../proxy/api.ts";
import { commonProperties } from "./grpc/common-properties.ts";
import { customTagLedger, customTags } from "./grpc/custom-tags.ts";
import { LogStream } from "./grpc/log-stream.ts";

type Entry = MessageOf<"envoy.data.accesslog.v3.TCPAccessLogEntry">;

const ENTRY = "envoy.data.accesslog.v3.TCPAccessLogEntry";

/** Entries of TCP connections for an access log service (ALS). */
export const tcpGrpcAccessLog: AccessLogDef<"envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig"> =
  {
    name: "envoy.access_loggers.tcp_grpc",
    config: "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
    ledger: {
      "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig": "all",
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
        case: "tcpLogs",
        value: { logEntry: [...entries] },
      }));
      const tags = customTags(config.commonConfig?.customTags ?? [], context);
      return {
        log(info) {
          const entry = create(ENTRY, {
            commonProperties: { ...commonProperties(info), customTags: tags(info) },
            connectionProperties: {
              receivedBytes: BigInt(info.bytesReceived),
              sentBytes: BigInt(info.bytesSent),
            },
          });
          stream.add(entry, encode(ENTRY, entry).length);
        },
        flush: () => stream.flush(),
        reopen() {},
      };
    },
  };
