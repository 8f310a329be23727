import type { ResetReason } from "../stream.ts";
import {
  CONNECT_ERROR,
  INTERNAL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  type ErrorCode,
} from "./error-code.ts";
import type { H2Stream } from "./h2-stream.ts";
import { CLOSED } from "./state.ts";

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

/**
 * A message that has come as a whole stays when the peer resets the stream, even if its reader has not had all of it:
 * nothing can be reset once both sides have ended, and a server that answers early may stop the request with NO_ERROR
 * (RFC 9113 section 8.1). Nothing more is sent on such a stream.
 */
export function outlivesReset(stream: H2Stream, code: ErrorCode, isServer: boolean): boolean {
  if (!stream.remoteClosed || stream.inboundDone) return false;
  if (stream.state !== CLOSED && (code !== NO_ERROR || isServer)) return false;
  stream.state = CLOSED;
  return true;
}
