import type { Extensions } from "./api.ts";
import { httpConnectionManager } from "./hcm/http-connection-manager.ts";
import { routerFilter } from "./router/router-filter.ts";

/** A manifest together with what belongs to the proxy itself: the connection manager and the router. */
export function withBuiltIns(extensions: Extensions): Extensions {
  return {
    ...extensions,
    http: [...extensions.http, routerFilter],
    network: [...extensions.network, httpConnectionManager],
  };
}
