import type { Messages } from "../../proto/messages.d.ts";
import { within } from "../../proto/within.ts";
import type { NetworkFilterContext } from "../api.ts";
import { compileRouteTable, type RouteTable } from "../route/route-table.ts";

type HttpConnectionManager =
  Messages["envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"];

/** Where a connection manager finds its routes. */
export interface RouteSource {
  /** Undefined until a route configuration arrived. */
  current(): RouteTable | undefined;
}

/** Static routes are compiled now; those of RDS are asked for per request. */
export function routeSource(hcm: HttpConnectionManager, context: NetworkFilterContext): RouteSource {
  switch (hcm.routeSpecifier.case) {
    case "routeConfig": {
      const { value } = hcm.routeSpecifier;
      const parts = { extensions: context.extensions, factory: context };
      const table = within(["route_config"], () => compileRouteTable(value, parts));
      return { current: () => table };
    }
    case "rds": {
      const name = hcm.routeSpecifier.value.routeConfigName;
      const routes = context.routes;
      return { current: () => routes.get(name) as RouteTable | undefined };
    }
    default:
      throw new Error("HttpConnectionManager: one of rds, route_config must be set");
  }
}
