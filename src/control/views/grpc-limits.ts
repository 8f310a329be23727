import type { ServiceRoute } from "../policy/route-settings.ts";
import type { EffectiveSettings } from "../policy/settings-for.ts";
import { escape } from "./route-match.ts";
import type { ClientLimits } from "./scope.ts";

/** What gRPC clients read of clusters and routes (gRFCs A27, A28, A31, A32, A42, A44, A50). The rest would make them reject all. */
export const grpcLimits: ClientLimits = {
  settings(settings) {
    const { fault: _f, rate_limit: _l, mirror: _m, health_check: _h, websocket: _w, ...rest } = settings;
    const { balance, routes, ...others } = rest;
    return {
      ...others,
      ...(balance !== undefined && balance.policy === "ring_hash" && { balance: plainBalance(balance) }),
      ...(routes !== undefined && {
        routes: routes
          .filter(({ query, subset }) => query === undefined && subset === undefined)
          .map(({ fault: _1, rate_limit: _2, mirror: _3, websocket: _4, ...route }) => plainPath(route)),
      }),
    };
  },
};

/** They do not know path_separated_prefix. */
function plainPath({ prefix, ...route }: ServiceRoute): ServiceRoute {
  if (prefix === undefined || prefix === "/") return route;
  return { ...route, regex: `${escape(prefix.replace(/\/+$/, ""))}(/.*)?` };
}

function plainBalance({ policy, hash, locality }: NonNullable<EffectiveSettings["balance"]>) {
  return { policy, ...(hash !== undefined && { hash }), ...(locality !== undefined && { locality }) };
}
