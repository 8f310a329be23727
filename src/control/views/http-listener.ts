import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { EdgeSettings } from "../policy/view-settings.ts";
import { accessLog } from "./access-log.ts";
import { adsSource, socketAddress, typed, type JsonFields } from "./envoy-json.ts";
import { patched } from "./patched.ts";
import { trafficFilters } from "./traffic-filters.ts";

const LISTENER = "envoy.config.listener.v3.Listener";
const MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

export interface HttpListenerOptions {
  readonly useRemoteAddress: boolean;
  readonly trustedHops?: number;
  /** Name of a route configuration of ours, or an inline one. */
  readonly routes: string | JsonValue;
  readonly filters?: readonly JsonValue[];
  readonly patches?: EdgeSettings["envoy"];
}

/** One HTTP listener. Filters that routes of the policy ask for are in it. */
export function httpListener(
  name: string,
  address: string,
  policy: MeshPolicy,
  options: HttpListenerOptions,
): JsonValue {
  const { patches } = options;
  const manager: JsonFields = {
    stat_prefix: name,
    ...(typeof options.routes === "string"
      ? { rds: { route_config_name: options.routes, config_source: adsSource } }
      : { route_config: options.routes }),
    use_remote_address: options.useRemoteAddress,
    ...(options.trustedHops ? { xff_num_trusted_hops: options.trustedHops } : {}),
    normalize_path: true,
    merge_slashes: true,
    http_filters: [
      ...(options.filters ?? []),
      ...trafficFilters(policy),
      ...((patches?.http_filters ?? []) as JsonValue[]),
      {
        name: "envoy.filters.http.router",
        typed_config: typed("envoy.extensions.filters.http.router.v3.Router"),
      },
    ],
    ...accessLog(policy),
  };
  const config = patched(MANAGER, manager, present(patches?.http_connection_manager)) as JsonFields;
  const filter = {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: typed(MANAGER, config),
  };
  const listener = { name, address: socketAddress(address), filter_chains: [{ filters: [filter] }] };
  return patched(LISTENER, listener, present(patches?.listener));
}

function present(patch: object | undefined): readonly object[] {
  return patch === undefined ? [] : [patch];
}
