import type { NetworkFilterDef } from "../../proxy/api.ts";
import { tcpProxy } from "./tcp-proxy.ts";

/** Network filters that ship with the proxy, besides the connection manager. */
export const networkFilters: readonly NetworkFilterDef[] = [tcpProxy];
