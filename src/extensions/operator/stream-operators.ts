import { formatResponseFlags, formatResponseFlagsLong, type OperatorDef } from "../../proxy/api.ts";
import { orAbsent, plain } from "./define.ts";

/** Operators of the exchange as a whole: status, flags, bytes, route. */
export const streamOperators: readonly OperatorDef[] = [
  plain("PROTOCOL", (info) => orAbsent(info.protocol)),
  plain("RESPONSE_CODE", (info) => info.responseCode),
  responseCodeDetails(),
  plain("CONNECTION_TERMINATION_DETAILS", (info) => orAbsent(info.connectionTerminationDetails)),
  plain("RESPONSE_FLAGS", (info) => formatResponseFlags(info.responseFlags)),
  plain("RESPONSE_FLAGS_LONG", (info) => formatResponseFlagsLong(info.responseFlags)),
  plain("BYTES_RECEIVED", (info) => info.bytesReceived),
  plain("BYTES_SENT", (info) => info.bytesSent),
  plain("DOWNSTREAM_WIRE_BYTES_RECEIVED", (info) => info.wireBytesReceived),
  plain("DOWNSTREAM_WIRE_BYTES_SENT", (info) => info.wireBytesSent),
  plain("ROUTE_NAME", (info) => orAbsent(info.routeName)),
  plain("VIRTUAL_HOST_NAME", (info) => orAbsent(info.virtualHostName)),
  plain("VIRTUAL_CLUSTER_NAME", () => undefined),
  plain("LOCAL_REPLY_BODY", (info) => info.localReplyBody),
  plain("ACCESS_LOG_TYPE", (info) => info.logType),
];

/** White space would break columns of text logs, so it prints as "_" unless ALLOW_WHITESPACES is asked for. */
function responseCodeDetails(): OperatorDef {
  return {
    name: "RESPONSE_CODE_DETAILS",
    create(argument) {
      if (argument !== undefined && argument !== "ALLOW_WHITESPACES")
        throw new Error(
          `RESPONSE_CODE_DETAILS: unknown argument "${argument}", ALLOW_WHITESPACES is allowed`,
        );
      if (argument !== undefined) return (info) => orAbsent(info.responseCodeDetails);
      return (info) => orAbsent(info.responseCodeDetails.replace(/\s/g, "_"));
    },
  };
}
