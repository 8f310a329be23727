import type { ResetReason } from "../../http/stream.ts";
import { ResponseFlag } from "../response-flags.ts";
import type { StreamInfo } from "../stream-info.ts";

/** Why a tunnel is reset: the loss of its upstream has a code of its own, CONNECT_ERROR (RFC 9113 section 8.5). */
export function tunnelReset(info: StreamInfo, reason: ResetReason): ResetReason {
  const lost =
    info.hasFlag(ResponseFlag.UpstreamConnectionTermination) ||
    info.hasFlag(ResponseFlag.UpstreamConnectionFailure);
  return lost ? "connect-error" : reason;
}
