import { xxHash64 } from "../../base/xxhash64.ts";
import { only } from "../../proto/ledger.ts";
import type { Host, LbPolicyDef, LoadBalancer, PickContext } from "../../proxy/api.ts";
import { consistentHashingLedger, randomHash, weightedHosts, type WeightedHost } from "./consistent-hash.ts";

const CONFIG = "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash";
const MINIMUM_SIZE = 1024n;
const MAXIMUM_SIZE = 8_388_608n;

/** The host whose place on a ring of hashes comes next after the request's hash: others keep theirs when one goes. */
export const ringHash: LbPolicyDef<typeof CONFIG> = {
  name: "envoy.load_balancing_policies.ring_hash",
  config: CONFIG,
  ledger: {
    ...consistentHashingLedger,
    [CONFIG]: [
      only("hash_function", "DEFAULT_HASH", "XX_HASH"),
      "minimum_ring_size",
      "maximum_ring_size",
      "consistent_hashing_lb_config",
    ],
  },
  create(config, context) {
    const minimum = config.minimumRingSize ?? MINIMUM_SIZE;
    const maximum = config.maximumRingSize ?? MAXIMUM_SIZE;
    if (minimum > maximum)
      throw new Error(`ring hash: minimum_ring_size (${minimum}) > maximum_ring_size (${maximum})`);
    return (hosts) => {
      const weighted = weightedHosts(hosts, config.consistentHashingLbConfig);
      return new Ring(weighted, Number(minimum), Number(maximum), context.random);
    };
  },
};

class Ring implements LoadBalancer {
  /** In ascending order, and the host of each. */
  readonly #hashes: BigUint64Array;
  readonly #hosts: readonly Host[];
  readonly #random: () => number;

  /** As in Envoy: the lightest host gets a whole number of places, so that all get their exact share. */
  constructor(hosts: readonly WeightedHost[], minimum: number, maximum: number, random: () => number) {
    const least = hosts.reduce((smallest, { share }) => Math.min(smallest, share), 1);
    const scale = Math.min(Math.ceil(least * minimum) / least, maximum);
    const places: { hash: bigint; host: Host }[] = [];
    let target = 0;
    for (const { host, key, share } of hosts) {
      target += scale * share;
      for (let i = 0; places.length < target; i++)
        places.push({ hash: xxHash64(Buffer.from(`${key}_${i}`)), host });
    }
    places.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
    this.#hashes = BigUint64Array.from(places, ({ hash }) => hash);
    this.#hosts = places.map(({ host }) => host);
    this.#random = random;
  }

  pick({ hash = randomHash(this.#random) }: PickContext): Host | undefined {
    const hashes = this.#hashes;
    let low = 0;
    let high = hashes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (hashes[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    return this.#hosts[low === hashes.length ? 0 : low];
  }
}
