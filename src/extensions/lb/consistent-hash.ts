import type { Messages } from "../../proto/messages.d.ts";
import type { Ledger } from "../../proto/ledger.ts";
import type { Host } from "../../proxy/api.ts";

type Config = Messages["envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig"];

export const consistentHashingLedger: Ledger = {
  "envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig": [
    "use_hostname_for_hashing",
  ],
};

/** A host's place among the others. */
export interface WeightedHost {
  readonly host: Host;
  /** What the host is known by: `hash_key` of its envoy.lb metadata, or its name, or its address. */
  readonly key: string;
  /** Share of all requests, in (0, 1]. */
  readonly share: number;
}

/** Hosts with what a policy that hashes them needs. */
export function weightedHosts(hosts: readonly Host[], config: Config | undefined): WeightedHost[] {
  const byName = config?.useHostnameForHashing ?? false;
  const total = hosts.reduce((sum, { weight }) => sum + weight, 0);
  return hosts.map((host) => ({ host, key: hashKey(host, byName), share: host.weight / total }));
}

/** A hash for a request that has none. */
export function randomHash(random: () => number): bigint {
  return (BigInt(Math.floor(random() * 2 ** 32)) << 32n) | BigInt(Math.floor(random() * 2 ** 32));
}

function hashKey({ metadata, hostname, address }: Host, byName: boolean): string {
  const key = metadata?.filterMetadata["envoy.lb"]?.["hash_key"];
  if (typeof key === "string" && key !== "") return key;
  return byName ? hostname : address;
}
