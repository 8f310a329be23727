import { xxHash64 } from "../../base/xxhash64.ts";
import type { Host, LbPolicyDef, LoadBalancer, PickContext } from "../../proxy/api.ts";
import { consistentHashingLedger, randomHash, weightedHosts, type WeightedHost } from "./consistent-hash.ts";

const CONFIG = "envoy.extensions.load_balancing_policies.maglev.v3.Maglev";
const TABLE_SIZE = 65_537n;

/** A table that each host fills in an order of its own (Eisenbud et al., "Maglev", NSDI 2016, section 3.4); a hash is an index in it. */
export const maglev: LbPolicyDef<typeof CONFIG> = {
  name: "envoy.load_balancing_policies.maglev",
  config: CONFIG,
  ledger: {
    ...consistentHashingLedger,
    [CONFIG]: ["table_size", "consistent_hashing_lb_config"],
  },
  create(config, context) {
    const size = config.tableSize ?? TABLE_SIZE;
    if (!isPrime(Number(size))) throw new Error("The table size of maglev must be prime number");
    return (hosts) =>
      new MaglevTable(weightedHosts(hosts, config.consistentHashingLbConfig), size, context.random);
  },
};

class MaglevTable implements LoadBalancer {
  readonly #size: bigint;
  readonly #hosts: readonly Host[];
  /** Index of the host of each place. */
  readonly #table: Uint32Array;
  readonly #random: () => number;

  constructor(weighted: readonly WeightedHost[], size: bigint, random: () => number) {
    // The order in which hosts take their turns must not depend on how they were listed.
    const hosts = [...weighted].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    this.#size = size;
    this.#hosts = hosts.map(({ host }) => host);
    this.#table = fill(hosts, size);
    this.#random = random;
  }

  pick({ hash = randomHash(this.#random) }: PickContext): Host | undefined {
    return this.#hosts[this.#table[Number(hash % this.#size)]!];
  }
}

/** A host with a smaller share sits out rounds in proportion. */
function fill(hosts: readonly WeightedHost[], prime: bigint): Uint32Array {
  const size = Number(prime);
  const table = new Uint32Array(size);
  if (hosts.length === 0) return table;
  const taken = new Uint8Array(size);
  const largest = hosts.reduce((most, { share }) => Math.max(most, share), 0);
  const entries = hosts.map(({ key, share }) => {
    const bytes = Buffer.from(key);
    const at = Number(xxHash64(bytes) % prime);
    return { at, skip: Number(xxHash64(bytes, 1n) % (prime - 1n)) + 1, share, target: 0 };
  });
  let filled = 0;
  for (let round = 1; filled < size; round++)
    for (let i = 0; i < entries.length && filled < size; i++) {
      const entry = entries[i]!;
      if (round * entry.share < entry.target) continue;
      entry.target += largest;
      while (taken[entry.at] === 1) entry.at = (entry.at + entry.skip) % size;
      taken[entry.at] = 1;
      table[entry.at] = i;
      filled++;
    }
  return table;
}

function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}
