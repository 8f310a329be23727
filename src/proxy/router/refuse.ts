import type { HeaderMap } from "../../http/header-map.ts";
import type { LocalReply } from "../api.ts";
import { ResponseFlag } from "../response-flags.ts";
import type { ClusterHandles } from "../route/cluster-handles.ts";
import type { RouterConfig } from "./router-config.ts";
import { strictCheck } from "./strict-check.ts";

/** Tells callers that they come too often. */
export const OVERLOADED: readonly (readonly [string, string])[] = [["x-envoy-overloaded", "true"]];

/** The reply to a request that must not be sent: bad x-envoy-* headers under strict checks, maintenance mode. */
export function refuse(
  headers: HeaderMap,
  handles: ClusterHandles,
  config: RouterConfig,
  isInternal: boolean,
  modify: (headers: HeaderMap) => void,
): LocalReply | undefined {
  if (config.strictHeaders.length > 0) {
    const refusal = strictCheck(config.strictHeaders, headers);
    if (refusal !== undefined) return refusal;
  }
  if (!config.context.runtime.fraction(handles.maintenanceKey, 0, 100)) return undefined;
  handles.maintenanceMode.inc();
  if (config.dynamicStats) handles.countResponse(503, isInternal);
  return {
    status: 503,
    body: "maintenance mode",
    details: "maintenance_mode",
    flags: ResponseFlag.UpstreamOverflow,
    headers: config.suppressEnvoyHeaders ? [] : OVERLOADED,
    modify,
  };
}
