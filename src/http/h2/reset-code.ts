import type { ResetReason } from "../stream.ts";
import {
  CONNECT_ERROR,
  INTERNAL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  type ErrorCode,
} from "./error-code.ts";

/** Code of the RST_STREAM that a handler's reset sends: Envoy's, which takes INTERNAL_ERROR for cancellations too. */
export function codeOfReset(reason: ResetReason): ErrorCode {
  switch (reason) {
    case "local-refused-stream-reset":
    case "remote-refused-stream-reset":
    case "overload-manager":
      return REFUSED_STREAM;
    case "connect-error":
      return CONNECT_ERROR;
    case "protocol-error":
      return PROTOCOL_ERROR;
    default:
      return INTERNAL_ERROR;
  }
}

/** What a received RST_STREAM means. */
export function resetOfCode(code: ErrorCode, isServer: boolean): ResetReason {
  switch (code) {
    case REFUSED_STREAM:
      return "remote-refused-stream-reset";
    case CONNECT_ERROR:
      return "connect-error";
    case PROTOCOL_ERROR:
      return "protocol-error";
    case NO_ERROR:
      return isServer ? "remote-reset-no-error" : "remote-reset";
    default:
      return "remote-reset";
  }
}
