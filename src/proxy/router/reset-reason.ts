import type { ResetReason } from "../../http/stream.ts";
import { ResponseFlag } from "../response-flags.ts";

interface Reason {
  /** As it stands in bodies and details. */
  readonly text: string;
  readonly flag: number;
}

const REASONS: Readonly<Record<ResetReason, Reason>> = {
  "local-reset": { text: "local reset", flag: ResponseFlag.LocalReset },
  "local-refused-stream-reset": { text: "local refused stream reset", flag: ResponseFlag.LocalReset },
  "remote-reset": { text: "remote reset", flag: ResponseFlag.UpstreamRemoteReset },
  "remote-refused-stream-reset": {
    text: "remote refused stream reset",
    flag: ResponseFlag.UpstreamRemoteReset,
  },
  "remote-reset-no-error": { text: "remote reset (no error)", flag: ResponseFlag.UpstreamRemoteReset },
  "connection-failure": { text: "remote connection failure", flag: ResponseFlag.UpstreamConnectionFailure },
  "local-connection-failure": {
    text: "local connection failure",
    flag: ResponseFlag.UpstreamConnectionFailure,
  },
  "connection-timeout": { text: "connection timeout", flag: ResponseFlag.UpstreamConnectionFailure },
  "connection-termination": {
    text: "connection termination",
    flag: ResponseFlag.UpstreamConnectionTermination,
  },
  overflow: { text: "overflow", flag: ResponseFlag.UpstreamOverflow },
  "connect-error": {
    text: "remote error with CONNECT request",
    flag: ResponseFlag.UpstreamRemoteReset,
  },
  "protocol-error": { text: "protocol error", flag: ResponseFlag.UpstreamProtocolError },
  "overload-manager": { text: "overload manager reset", flag: ResponseFlag.OverloadManager },
  "premature-upstream-half-close": {
    text: "HTTP/1 protocol error: premature upstream half close",
    flag: ResponseFlag.LocalReset,
  },
};

/** The words of a reset reason in Envoy's local replies. */
function resetReasonText(reason: ResetReason): string {
  return REASONS[reason].text;
}

/** The response flag that a reset of the upstream's stream sets. */
export function resetReasonFlag(reason: ResetReason): number {
  return REASONS[reason].flag;
}

/** Body of the reply when no answer came. */
export function resetBody(reason: ResetReason, isRetry: boolean): string {
  return (
    "upstream connect error or disconnect/reset before headers. " +
    (isRetry ? "retried and the latest " : "") +
    "reset reason: " +
    resetReasonText(reason)
  );
}

/** %RESPONSE_CODE_DETAILS%: white space is not allowed in it. */
export function resetDetails(reason: ResetReason, detail: string, responseStarted: boolean): string {
  const when = responseStarted
    ? "upstream_reset_after_response_started"
    : "upstream_reset_before_response_started";
  const text = detail === "" ? resetReasonText(reason) : `${resetReasonText(reason)}|${detail}`;
  return `${when}{${text}}`.replaceAll(/\s/g, "_");
}
