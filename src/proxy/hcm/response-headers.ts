import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { HcmConfig } from "./hcm-config.ts";
import { isUpgrade } from "./request-headers.ts";
import { httpDate } from "./http-date.ts";

const CONNECTION = knownHeaderId("connection");
const KEEP_ALIVE = knownHeaderId("keep-alive");
const PROXY_CONNECTION = knownHeaderId("proxy-connection");
const TRANSFER_ENCODING = knownHeaderId("transfer-encoding");
const UPGRADE = knownHeaderId("upgrade");
const DATE = knownHeaderId("date");
const SERVER = knownHeaderId("server");
const VIA = knownHeaderId("via");
const REQUEST_ID = knownHeaderId("x-request-id");

/** What a response gets on its way out: no hop-by-hop headers, date, server, via, x-request-id. */
export function mutateResponseHeaders(
  headers: HeaderMap,
  request: HeaderMap | undefined,
  config: HcmConfig,
  wall: number,
): void {
  const switches = headers.status === 101 && request !== undefined && isUpgrade(request);
  if (!switches) headers.removeId(CONNECTION);
  headers.removeId(KEEP_ALIVE);
  headers.removeId(PROXY_CONNECTION);
  headers.removeId(TRANSFER_ENCODING);
  if (!switches) headers.removeId(UPGRADE);
  if (!headers.hasId(DATE)) headers.addId(DATE, httpDate(wall));
  if (config.serverHeader === "overwrite") headers.setId(SERVER, config.serverName);
  else if (config.serverHeader === "append-if-absent" && !headers.hasId(SERVER))
    headers.addId(SERVER, config.serverName);
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
