import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { ServiceSettings } from "../policy/service-settings.ts";

/** What of a node decides what it gets, besides its view. */
export interface PolicyTraits {
  /** Its region and zone. */
  readonly byPlace: boolean;
  /** The service it belongs to. */
  readonly byCaller: boolean;
  /** Whether some service prefers the zone of its callers (balance.locality: zone_aware). */
  readonly zoneAware: boolean;
}

const known = new WeakMap<MeshPolicy, PolicyTraits>();

/** As few nodes as possible are told apart, since those that are not share their resources. */
export function policyTraits(policy: MeshPolicy): PolicyTraits {
  let traits = known.get(policy);
  if (traits === undefined) known.set(policy, (traits = findTraits(policy)));
  return traits;
}

function findTraits(policy: MeshPolicy): PolicyTraits {
  const all: ServiceSettings[] = [
    policy.defaults,
    ...policy.templates.map(({ settings }) => settings),
    ...Object.values(policy.services),
  ];
  const regions = Object.keys(policy.regions).length > 0;
  return {
    byPlace: regions || all.some(({ balance }) => balance?.locality === "failover"),
    zoneAware: all.some(({ balance }) => balance?.locality === "zone_aware"),
    byCaller: all.some(({ callers }) => callers !== undefined && callers !== null),
  };
}
