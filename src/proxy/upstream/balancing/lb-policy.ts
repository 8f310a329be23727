import type { Messages } from "../../../proto/messages.d.ts";
import { configTypeName, create, unpackAs, type MessageName } from "../../../proto/registry.ts";
import type { FactoryContext, LbPolicyDef } from "../../api.ts";
import { discoveryType } from "../hosts/endpoint-source.ts";
import type { BalancerFactory } from "../hosts/host-set.ts";
import type { ZoneSettings } from "./zone-balancer.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];
type LocalityLbConfig = Messages["envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig"];

/** What a cluster's load balancing settings come to, old fields or new. */
export interface LbChoice {
  readonly localityWeighted: boolean;
  /** Undefined where the policy does not go by zones. */
  readonly zones: ZoneSettings | undefined;
  readonly failTrafficOnPanic: boolean;
  create(context: FactoryContext): BalancerFactory;
}

/** The cluster chooses its hosts itself. */
const PROVIDED: LbChoice = {
  localityWeighted: false,
  zones: undefined,
  failTrafficOnPanic: false,
  create: () => () => ({ pick: () => undefined }),
};

/** Values of Cluster.lb_policy (envoy/config/cluster/v3/cluster.proto). */
const ROUND_ROBIN = 0;
const LEAST_REQUEST = 1;
const RING_HASH = 2;
const RANDOM = 3;
const MAGLEV = 5;
const CLUSTER_PROVIDED = 6;
const LOAD_BALANCING_POLICY_CONFIG = 7;

const OLD_NAMES: Readonly<Record<number, string>> = {
  0: "envoy.load_balancing_policies.round_robin",
  [LEAST_REQUEST]: "envoy.load_balancing_policies.least_request",
  [RING_HASH]: "envoy.load_balancing_policies.ring_hash",
  [RANDOM]: "envoy.load_balancing_policies.random",
  [MAGLEV]: "envoy.load_balancing_policies.maglev",
};

/** Chooses the policy among those of the manifest. Throws with Envoy's text if there is none. */
export function chooseLbPolicy(cluster: ClusterMessage, policies: readonly LbPolicyDef[]): LbChoice {
  return cluster.loadBalancingPolicy === undefined && cluster.lbPolicy !== LOAD_BALANCING_POLICY_CONFIG
    ? byField(cluster, policies)
    : byExtension(cluster, policies);
}

function byField(cluster: ClusterMessage, policies: readonly LbPolicyDef[]): LbChoice {
  if ((cluster.lbPolicy as number) === CLUSTER_PROVIDED && discoveryType(cluster) === "ORIGINAL_DST")
    return PROVIDED;
  if ((cluster.lbPolicy as number) === CLUSTER_PROVIDED)
    throw new Error(
      `cluster manager: cluster provided LB specified but cluster '${cluster.name}' did not provide one. Check cluster documentation.`,
    );
  const name = OLD_NAMES[cluster.lbPolicy];
  const policy = policies.find((candidate) => candidate.name === name);
  if (policy === undefined)
    throw new Error(`Didn't find a registered load balancer factory implementation for name: '${name}'`);
  const config = create(policy.config as MessageName) as {
    choiceCount?: number;
    activeRequestBias?: unknown;
    minimumRingSize?: bigint;
    maximumRingSize?: bigint;
    tableSize?: bigint;
    consistentHashingLbConfig?: unknown;
    slowStartConfig?: unknown;
  };
  const { lbConfig } = cluster;
  if (lbConfig.case === "leastRequestLbConfig" && cluster.lbPolicy === LEAST_REQUEST) {
    const { choiceCount, activeRequestBias, slowStartConfig } = lbConfig.value;
    if (choiceCount !== undefined) config.choiceCount = choiceCount;
    if (activeRequestBias !== undefined) config.activeRequestBias = activeRequestBias;
    if (slowStartConfig !== undefined) config.slowStartConfig = slowStartConfig;
  } else if (lbConfig.case === "roundRobinLbConfig" && (cluster.lbPolicy as number) === ROUND_ROBIN) {
    const { slowStartConfig } = lbConfig.value;
    if (slowStartConfig !== undefined) config.slowStartConfig = slowStartConfig;
  }
  const locality = cluster.commonLbConfig?.localityConfigSpecifier;
  if (cluster.lbPolicy === RING_HASH || cluster.lbPolicy === MAGLEV) {
    if (locality?.case === "localityWeightedLbConfig")
      throw new Error(
        `cluster '${cluster.name}': common_lb_config.locality_weighted_lb_config is not supported for RING_HASH and MAGLEV`,
      );
    const { case: kind, value } = lbConfig;
    if (kind === "ringHashLbConfig" && cluster.lbPolicy === RING_HASH) {
      if (value.minimumRingSize !== undefined) config.minimumRingSize = value.minimumRingSize;
      if (value.maximumRingSize !== undefined) config.maximumRingSize = value.maximumRingSize;
    } else if (kind === "maglevLbConfig" && cluster.lbPolicy === MAGLEV && value.tableSize !== undefined)
      config.tableSize = value.tableSize;
    const hashing = cluster.commonLbConfig?.consistentHashingLbConfig;
    if (hashing !== undefined) config.consistentHashingLbConfig = hashing;
  }
  return {
    localityWeighted: locality?.case === "localityWeightedLbConfig",
    zones: zoneSettings(policy, locality),
    failTrafficOnPanic: locality?.case === "zoneAwareLbConfig" && locality.value.failTrafficOnPanic,
    create: (context) => policy.create(config as never, context),
  };
}

/** Old and new configuration say the same of zones. */
type LocalityChoice =
  | LocalityLbConfig["localityConfigSpecifier"]
  | Messages["envoy.config.cluster.v3.Cluster.CommonLbConfig"]["localityConfigSpecifier"];

const DEFAULT_MIN_CLUSTER_SIZE = 6;

function zoneSettings({ name }: LbPolicyDef, locality: LocalityChoice | undefined): ZoneSettings | undefined {
  if (name === OLD_NAMES[RING_HASH] || name === OLD_NAMES[MAGLEV]) return undefined;
  const config = locality?.case === "zoneAwareLbConfig" ? locality.value : undefined;
  return {
    routingEnabled: Math.round(config?.routingEnabled?.value ?? 100),
    minClusterSize: Number(config?.minClusterSize ?? DEFAULT_MIN_CLUSTER_SIZE),
  };
}

function byExtension(cluster: ClusterMessage, policies: readonly LbPolicyDef[]): LbChoice {
  if (cluster.loadBalancingPolicy === undefined)
    throw new Error("cluster: field load_balancing_policy need to be set");
  const names: string[] = [];
  // The first one that is known is taken, so that newer policies can stand before older ones.
  for (const { typedExtensionConfig: extension } of cluster.loadBalancingPolicy.policies) {
    if (extension?.typedConfig === undefined) continue;
    const type = configTypeName(extension.typedConfig);
    const policy = policies.find((candidate) => candidate.config === type);
    names.push(extension.name);
    if (policy === undefined) continue;
    const config = unpackAs(extension.typedConfig, policy.config as MessageName);
    const locality = (config as { localityLbConfig?: LocalityLbConfig }).localityLbConfig
      ?.localityConfigSpecifier;
    return {
      localityWeighted: locality?.case === "localityWeightedLbConfig",
      zones: zoneSettings(policy, locality),
      failTrafficOnPanic: locality?.case === "zoneAwareLbConfig" && locality.value.failTrafficOnPanic,
      create: (context) => policy.create(config as never, context),
    };
  }
  throw new Error(
    `cluster: didn't find a registered load balancer factory implementation for cluster: '${cluster.name}' with names from [${names.join(", ")}]`,
  );
}
