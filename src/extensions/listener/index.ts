import type { ListenerFilterDef } from "../../proxy/api.ts";
import { httpInspector } from "./http-inspector.ts";
import { originalDst } from "./original-dst.ts";
import { proxyProtocol } from "./proxy-protocol.ts";
import { tlsInspector } from "./tls-inspector.ts";

/** Listener filters that ship with the proxy. */
export const listenerFilters: readonly ListenerFilterDef[] = [
  httpInspector,
  originalDst,
  proxyProtocol,
  tlsInspector,
];
