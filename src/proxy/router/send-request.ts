import type { HeaderMap } from "../../http/header-map.ts";
import type { KeptBody } from "./kept-body.ts";
import type { UpstreamAttempt } from "./upstream-attempt.ts";

const NO_BYTES = Buffer.alloc(0);

/**
 * Sends what has come of a request to a try that has its connection. `ended`: that is all of it. `headOnly`: an empty
 * body is not announced. Returns false above the high watermark.
 */
export function sendRequest(
  attempt: UpstreamAttempt,
  headers: HeaderMap,
  body: KeptBody,
  ended: boolean,
  headOnly: boolean,
): boolean {
  const { trailers } = body;
  const empty = ended && body.chunks.length === 0 && trailers === undefined;
  const metadata = body.takeMetadata();
  const endsAtOnce = empty && headOnly && metadata.length === 0;
  attempt.headers(headers, endsAtOnce);
  for (const each of metadata) attempt.metadata(each);
  if (empty && !endsAtOnce) attempt.data(NO_BYTES, true);
  const open = sendBody(attempt, body, ended && trailers === undefined);
  if (ended && trailers !== undefined) attempt.trailers(trailers);
  return open;
}

/** Sends what came of the client's bytes before the tunnel stood. Returns false above the high watermark. */
export function sendTunnelBytes(attempt: UpstreamAttempt, body: KeptBody, ended: boolean): boolean {
  if (!ended || body.chunks.length > 0) return sendBody(attempt, body, ended);
  return attempt.data(NO_BYTES, true);
}

/** Sends the kept body; `ended`: its last chunk ends the request. Returns false above the high watermark. */
function sendBody(attempt: UpstreamAttempt, body: KeptBody, ended: boolean): boolean {
  const { chunks } = body;
  let open = true;
  for (let i = 0; i < chunks.length; i++)
    open = attempt.data(chunks[i]!, ended && i === chunks.length - 1) && open;
  return open;
}
