import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import { HeaderSet } from "../../http/header-set.ts";
import type { HcmConfig } from "./hcm-config.ts";
import { isUpgrade } from "./request-headers.ts";
import { dateLine } from "./date-line.ts";

const CONNECTION = knownHeaderId("connection");
const DATE = knownHeaderId("date");
const SERVER = knownHeaderId("server");
const VIA = knownHeaderId("via");
const REQUEST_ID = knownHeaderId("x-request-id");

const HOP_BY_HOP = new HeaderSet([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
/** A response that changes the protocol says so in Connection and Upgrade. */
const HOP_BY_HOP_OF_SWITCH = new HeaderSet(["keep-alive", "proxy-connection", "transfer-encoding"]);

/** What a response gets on its way out: no hop-by-hop headers, date, server, via, x-request-id. */
export function mutateResponseHeaders(
  headers: HeaderMap,
  request: HeaderMap | undefined,
  config: HcmConfig,
  wall: number,
): void {
  const switches = headers.status === 101 && request !== undefined && isUpgrade(request);
  headers.removeSet(switches ? HOP_BY_HOP_OF_SWITCH : HOP_BY_HOP);
  if (!headers.hasId(DATE)) headers.setLine(dateLine(wall));
  if (config.serverHeader === "overwrite") headers.setLine(config.server);
  else if (config.serverHeader === "append-if-absent" && !headers.hasId(SERVER))
    headers.setLine(config.server);
  if (config.requestIdInResponse && request !== undefined) {
    const id = request.getId(REQUEST_ID);
    if (id !== undefined) headers.setId(REQUEST_ID, id);
  }
  if (config.via !== "") headers.appendId(VIA, config.via, ", ");
}

/** Whether a response to CONNECT or an upgrade lets the other protocol begin. */
export function beginsTunnel(request: HeaderMap | undefined, status: number): boolean {
  return status === 101 || (status === 200 && request?.method === "CONNECT");
}

/** Tells the client that the connection ends, or, to HTTP/1.0, that it stays. */
export function setConnectionHeader(headers: HeaderMap, value: "close" | "keep-alive"): void {
  headers.setId(CONNECTION, value);
}
