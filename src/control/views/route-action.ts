// What becomes of a request to a service.
import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { ServiceRoute } from "../policy/route-settings.ts";
import { refine, type EffectiveSettings } from "../policy/settings-for.ts";
import { duration, fraction, given, typed, type JsonFields } from "./envoy-json.ts";
import { faultConfig, FAULT_FILTER, RATE_LIMIT_FILTER, rateLimitConfig } from "./traffic-filters.ts";
import { hashPolicies } from "./load-balancing.ts";
import type { Scope } from "./scope.ts";

/** Says to the front proxy of another region for which cluster a request is. */
export const CLUSTER_HEADER = "x-weft-cluster";

/** What a route says of its own, over what is said of the service. */
export type Special = Omit<
  ServiceRoute,
  "prefix" | "path" | "regex" | "methods" | "headers" | "cookies" | "query"
>;

/** The fields of a Route besides its name and match. `more` is for its `route` field. */
export function routeAction(
  scope: Scope,
  service: string,
  special: Special,
  timeoutMs: number,
  more: JsonFields,
): JsonFields {
  const settings = refine<EffectiveSettings>(scope.settings(service), actionsOf(special));
  const timeout = settings.timeout_ms ?? timeoutMs;
  const filters: JsonFields = {};
  if (settings.fault !== undefined) filters[FAULT_FILTER] = faultConfig(settings.fault);
  if (settings.rate_limit !== undefined)
    filters[RATE_LIMIT_FILTER] = rateLimitConfig(service, settings.rate_limit);
  const { target, headers } = targets(scope, service, special, settings);
  return {
    route: {
      ...target,
      timeout: duration(timeout),
      ...(settings.idle_timeout_ms !== undefined && { idle_timeout: duration(settings.idle_timeout_ms) }),
      ...retryPolicy(scope.policy, settings),
      ...mirror(scope, service, settings),
      ...hashPolicies(settings),
      ...(special.subset !== undefined && {
        metadata_match: { filter_metadata: { "envoy.lb": special.subset } },
      }),
      ...(settings.websocket === true && { upgrade_configs: [{ upgrade_type: "websocket" }] }),
      ...more,
    },
    ...headerMutations(settings, headers),
    ...(Object.keys(filters).length > 0 && { typed_per_filter_config: filters }),
  };
}

/** What happens when a request to a service fails before it had an answer: another endpoint is tried. */
function retryPolicy(policy: MeshPolicy, settings: Pick<EffectiveSettings, "retries">): JsonFields {
  const { on, attempts, ...more } = refine<NonNullable<EffectiveSettings["retries"]>>(
    policy.retries,
    settings.retries ?? {},
  );
  if (attempts === 0) return {};
  const { per_try_timeout_ms: perTry, statuses, backoff_ms: base, max_backoff_ms: max } = more;
  return {
    retry_policy: {
      retry_on: on!,
      num_retries: attempts!,
      ...(perTry !== undefined && { per_try_timeout: duration(perTry) }),
      ...(statuses !== undefined && { retriable_status_codes: statuses }),
      ...(base !== undefined && {
        retry_back_off: given({
          base_interval: duration(base),
          max_interval: max === undefined ? undefined : duration(max),
        }),
      }),
      retry_host_predicate: [
        {
          name: "envoy.retry_host_predicates.previous_hosts",
          typed_config: typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
        },
      ],
      host_selection_retry_max_attempts: "5",
    },
  };
}

function actionsOf(special: Special): object {
  const { version: _v, split: _s, subset: _t, envoy: _e, ...actions } = special;
  return actions;
}

/** Where the request goes, and the header that says so to other regions. */
function targets(
  scope: Scope,
  service: string,
  special: Special,
  settings: EffectiveSettings,
): { target: JsonFields; headers: JsonValue[] } {
  const named = Object.keys(scope.policy.regions).length > 0;
  const header = (cluster: string): JsonValue[] =>
    named
      ? [{ header: { key: CLUSTER_HEADER, value: cluster }, append_action: "OVERWRITE_IF_EXISTS_OR_ADD" }]
      : [];
  const elsewhere = special.version !== undefined || special.subset !== undefined;
  const split = special.split ?? (elsewhere ? undefined : settings.split);
  if (split === undefined) {
    const cluster = scope.cluster(service, special.version);
    return { target: { cluster }, headers: header(cluster) };
  }
  const clusters = weights(scope, service, split).map(({ name, weight }) => ({
    name,
    weight,
    ...(named && { request_headers_to_add: header(name) }),
  }));
  return { target: { weighted_clusters: { clusters } }, headers: [] };
}

/** The clusters of a split with their weights; versions without a share are left out. */
export function weights(
  scope: Scope,
  service: string,
  split: Readonly<Record<string, number>>,
): { name: string; weight: number }[] {
  return Object.entries(split)
    .filter(([, weight]) => weight > 0)
    .map(([version, weight]) => ({ name: scope.cluster(service, version), weight }));
}

function mirror(scope: Scope, service: string, { mirror: to }: EffectiveSettings): JsonFields {
  if (to === undefined) return {};
  return {
    request_mirror_policies: [
      {
        cluster: scope.cluster(to.service ?? service, to.version),
        runtime_fraction: { default_value: fraction(to.percent ?? 100) },
      },
    ],
  };
}

function headerMutations(settings: EffectiveSettings, more: readonly JsonValue[]): JsonFields {
  const fields: JsonFields = {};
  for (const direction of ["request", "response"] as const) {
    const { set = {}, add = {}, remove = [] } = settings[`${direction}_headers`] ?? {};
    const values = [
      ...Object.entries(set).map(([key, value]) => ({
        header: { key, value },
        append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
      })),
      ...Object.entries(add).map(([key, value]) => ({ header: { key, value } })),
      ...(direction === "request" ? more : []),
    ];
    if (values.length > 0) fields[`${direction}_headers_to_add`] = values;
    if (remove.length > 0) fields[`${direction}_headers_to_remove`] = remove;
  }
  return fields;
}
