import type { Messages } from "../../../proto/messages.d.ts";
import { only, type Ledger } from "../../../proto/ledger.ts";
import { within } from "../../../proto/within.ts";
import { canonicalText, textOfKeys, type MetadataEntry } from "../../metadata-match.ts";

type LbSubsetConfig = Messages["envoy.config.cluster.v3.Cluster.LbSubsetConfig"];
type Selector = LbSubsetConfig["subsetSelectors"][number];

/** What happens to requests that no subset takes. */
export type SubsetFallback = "none" | "any" | "default";

/** `lb_subset_config` of a cluster. */
export interface SubsetConfig {
  readonly fallback: SubsetFallback;
  /** What hosts of the default subset have. */
  readonly defaultSubset: readonly MetadataEntry[];
  /** In order of keys, each list once. */
  readonly selectors: readonly (readonly string[])[];
  /** By the text of a selector's keys: what takes the place of `fallback`, or the keys that are left. */
  readonly ownFallbacks: ReadonlyMap<string, SubsetFallback | ReadonlySet<string>>;
  readonly panicModeAny: boolean;
  readonly listAsAny: boolean;
  readonly localityWeightAware: boolean;
}

export const subsetLedger: Ledger = {
  "envoy.config.cluster.v3.Cluster.LbSubsetConfig": [
    "fallback_policy",
    "default_subset",
    "subset_selectors",
    "locality_weight_aware",
    "panic_mode_any",
    "list_as_any",
    only("metadata_fallback_policy", "METADATA_NO_FALLBACK"),
  ],
  "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector": [
    "keys",
    "fallback_policy",
    "fallback_keys_subset",
  ],
};

const FALLBACKS: readonly SubsetFallback[] = ["none", "any", "default"];

/** Values of LbSubsetSelector.fallback_policy; those before are the cluster's, from 1. */
const NOT_DEFINED = 0;
const KEYS_SUBSET = 4;

/** Undefined when there are no subsets. Throws an Error with Envoy's text. */
export function subsetConfig(config: LbSubsetConfig | undefined): SubsetConfig | undefined {
  if (config === undefined) return undefined;
  const selectors = new Map<string, readonly string[]>();
  const ownFallbacks = new Map<string, SubsetFallback | ReadonlySet<string>>();
  for (const [i, selector] of config.subsetSelectors.entries()) {
    const keys = [...new Set(selector.keys)].toSorted();
    const text = textOfKeys(keys);
    selectors.set(text, keys);
    const own = within(["lb_subset_config", "subset_selectors", i], () => ownFallback(selector));
    if (own !== undefined) ownFallbacks.set(text, own);
  }
  if (selectors.size === 0) return undefined;
  return {
    fallback: FALLBACKS[config.fallbackPolicy] ?? "none",
    defaultSubset: Object.entries(config.defaultSubset ?? {}).map(([key, value]) => [
      key,
      canonicalText(value),
    ]),
    selectors: [...selectors.values()],
    ownFallbacks,
    panicModeAny: config.panicModeAny,
    listAsAny: config.listAsAny,
    localityWeightAware: config.localityWeightAware,
  };
}

function ownFallback(selector: Selector): SubsetFallback | ReadonlySet<string> | undefined {
  const policy = selector.fallbackPolicy as number;
  if (policy !== KEYS_SUBSET) return policy === NOT_DEFINED ? undefined : FALLBACKS[policy - 1];
  const left = new Set(selector.fallbackKeysSubset);
  const keys = new Set(selector.keys);
  if (left.size === 0) throw new Error("fallback_keys_subset cannot be empty");
  if (selector.fallbackKeysSubset.some((key) => !keys.has(key)))
    throw new Error("fallback_keys_subset must be a subset of selector keys");
  if (left.size === keys.size) throw new Error("fallback_keys_subset cannot be equal to keys");
  return left;
}
