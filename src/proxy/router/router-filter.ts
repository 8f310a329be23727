import type { HttpFilterDef } from "../api.ts";
import { RouterConfig, routerFilterLedger } from "./router-config.ts";

/** envoy.filters.http.router: answers by the matched route, or forwards to its cluster. */
export const routerFilter: HttpFilterDef<"envoy.extensions.filters.http.router.v3.Router"> = {
  name: "envoy.filters.http.router",
  config: "envoy.extensions.filters.http.router.v3.Router",
  ledger: routerFilterLedger,
  terminal: true,
  create(message, context) {
    const config = new RouterConfig(message, context);
    return (stream) => config.open(stream);
  },
};
