import { ResponseFlag } from "../response-flags.ts";

/** Status, body, details and flags of a local reply. */
type TimeoutReply = readonly [status: number, body: string, details: string, flags: number];

/** What the client gets when its upstream took too long. `details` says which timeout it was. */
export function timeoutReply(status: number, details: string): TimeoutReply {
  const body = status === 504 ? "upstream request timeout" : "";
  return [status, body, details, ResponseFlag.UpstreamRequestTimeout];
}

/** What the client gets when the cluster's max_stream_duration is over. */
export function maxDurationReply(requestEnded: boolean): TimeoutReply {
  return [
    requestEnded ? 504 : 408,
    "upstream max stream duration reached",
    "upstream_max_stream_duration_reached",
    ResponseFlag.UpstreamMaxStreamDurationReached,
  ];
}
