import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";

const UPGRADE = knownHeaderId("upgrade");
const CONTENT_LENGTH = knownHeaderId("content-length");
const TRANSFER_ENCODING = knownHeaderId("transfer-encoding");

/** "open": bytes pass from now on. "failed": a WebSocket handshake that ended in nothing a client could use. */
export type TunnelAnswer = "open" | "refused" | "failed";

/** Whether the request is CONNECT or an upgrade: the connection manager takes Upgrade off all others. */
export function asksForTunnel(headers: HeaderMap): boolean {
  return headers.hasId(UPGRADE) || headers.method === "CONNECT";
}

/** What a response says to a request that asked for a tunnel. Like Envoy, lets 4xx and 5xx through as they are; a failed one loses its body. */
export function tunnelAnswer(request: HeaderMap, response: HeaderMap): TunnelAnswer {
  const { status } = response;
  const upgrade = request.getId(UPGRADE);
  if (upgrade === undefined) return status >= 200 && status < 300 ? "open" : "refused";
  if (status === 101) return "open";
  if (status >= 400 || upgrade.toLowerCase() !== "websocket") return "refused";
  response.removeId(CONTENT_LENGTH);
  response.removeId(TRANSFER_ENCODING);
  return "failed";
}
