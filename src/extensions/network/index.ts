import type { NetworkFilterDef } from "../../proxy/api.ts";
import { connectionLimit } from "./connection-limit.ts";
import { directResponse } from "./direct-response.ts";
import { echo } from "./echo.ts";
import { networkLocalRatelimit } from "./local-ratelimit.ts";
import { networkRbac } from "./rbac.ts";
import { networkSetFilterState } from "./set-filter-state.ts";
import { sniCluster } from "./sni-cluster.ts";
import { tcpProxy } from "./tcp-proxy.ts";

/** Network filters that ship with the proxy, besides the connection manager. */
export const networkFilters: readonly NetworkFilterDef[] = [
  connectionLimit,
  directResponse,
  echo,
  networkLocalRatelimit,
  networkRbac,
  networkSetFilterState,
  sniCluster,
  tcpProxy,
];
