import type { JsonValue } from "@bufbuild/protobuf";
import type { EffectiveSettings } from "../policy/settings-for.ts";
import { duration, type JsonFields } from "./envoy-json.ts";

/** The fields of a cluster that say which endpoint takes a request. */
export function loadBalancing({ balance }: EffectiveSettings): JsonFields {
  const {
    policy = "round_robin",
    choices,
    slow_start_ms: slow,
    panic_percent: panic,
    locality,
  } = balance ?? {};
  const slowStart: JsonFields =
    slow === undefined ? {} : { slow_start_config: { slow_start_window: duration(slow) } };
  const fields: JsonFields = { lb_policy: policy.toUpperCase() };
  if (policy === "least_request" && (choices !== undefined || slow !== undefined)) {
    fields["least_request_lb_config"] = {
      ...(choices !== undefined && { choice_count: choices }),
      ...slowStart,
    };
  }
  if (policy === "round_robin" && slow !== undefined) fields["round_robin_lb_config"] = slowStart;
  const common: JsonFields = {};
  if (panic !== undefined) common["healthy_panic_threshold"] = { value: panic };
  if (locality === "weighted") common["locality_weighted_lb_config"] = {};
  if (locality === "zone_aware") common["zone_aware_lb_config"] = {};
  if (Object.keys(common).length > 0) fields["common_lb_config"] = common;
  if (balance?.subsets !== undefined) {
    fields["lb_subset_config"] = {
      fallback_policy: balance.subset_fallback === "none" ? "NO_FALLBACK" : "ANY_ENDPOINT",
      subset_selectors: balance.subsets.map((keys) => ({ keys: keys.toSorted() })),
    };
  }
  return fields;
}

/** What of a request decides where it goes, for balancers that hash; the first part that a request has counts alone. */
export function hashPolicies({ balance }: EffectiveSettings): JsonFields {
  if (balance?.hash === undefined || !(balance.policy === "ring_hash" || balance.policy === "maglev"))
    return {};
  const policies = balance.hash.map((hash): JsonValue => {
    const terminal = { terminal: true };
    if (hash.header !== undefined) return { header: { header_name: hash.header }, ...terminal };
    if (hash.query !== undefined) return { query_parameter: { name: hash.query }, ...terminal };
    if (hash.source_ip) return { connection_properties: { source_ip: true }, ...terminal };
    const ttl: JsonFields =
      hash.cookie_ttl_ms === undefined ? {} : { ttl: duration(hash.cookie_ttl_ms), path: "/" };
    return { cookie: { name: hash.cookie!, ...ttl }, ...terminal };
  });
  return { hash_policy: policies };
}
