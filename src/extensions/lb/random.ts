import type { Host, LbPolicyDef, LoadBalancer } from "../../proxy/api.ts";

const CONFIG = "envoy.extensions.load_balancing_policies.random.v3.Random";

/** Any host, all with the same chance: weights are ignored, as in Envoy. */
export const random: LbPolicyDef<typeof CONFIG> = {
  name: "envoy.load_balancing_policies.random",
  config: CONFIG,
  ledger: { [CONFIG]: ["locality_lb_config"] },
  create(_config, context) {
    return (hosts) => new AnyHost(hosts, context.random);
  },
};

class AnyHost implements LoadBalancer {
  readonly #hosts: readonly Host[];
  readonly #random: () => number;

  constructor(hosts: readonly Host[], chance: () => number) {
    this.#hosts = hosts;
    this.#random = chance;
  }

  pick(): Host | undefined {
    return this.#hosts[Math.floor(this.#random() * this.#hosts.length)];
  }
}
