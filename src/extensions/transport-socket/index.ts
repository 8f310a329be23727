import type { TransportSocketDef } from "../../proxy/api.ts";
import { downstreamTls } from "./downstream-tls.ts";
import { rawBuffer } from "./raw-buffer.ts";
import { upstreamProxyProtocol } from "./upstream-proxy-protocol.ts";
import { upstreamTls } from "./upstream-tls.ts";

/** Transport sockets that ship with the proxy. */
export const transportSockets: readonly TransportSocketDef[] = [
  rawBuffer,
  downstreamTls as TransportSocketDef,
  upstreamTls as TransportSocketDef,
  upstreamProxyProtocol as TransportSocketDef,
];
