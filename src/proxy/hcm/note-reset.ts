import type { ResetReason } from "../../http/stream.ts";
import { ResponseFlag } from "../response-flags.ts";
import type { StreamInfo } from "../stream-info.ts";

/** Notes in the record of a request why its client's side ended early. */
export function noteReset(info: StreamInfo, reason: ResetReason, detail: string, headersSent: boolean): void {
  if (reason === "protocol-error") {
    info.setFlag(ResponseFlag.DownstreamProtocolError);
    info.responseCodeDetails = detail;
    return;
  }
  if (reason === "remote-reset-no-error") return;
  if (detail !== "" && info.protocol === "HTTP/2") info.responseCodeDetails = detail;
  else if (info.responseCodeDetails === "" || headersSent)
    info.responseCodeDetails = "downstream_remote_disconnect";
  info.setFlag(
    reason === "connection-termination"
      ? ResponseFlag.DownstreamConnectionTermination
      : ResponseFlag.DownstreamRemoteReset,
  );
}
