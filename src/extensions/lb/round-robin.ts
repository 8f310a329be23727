import type { Host, LbPolicyDef, LoadBalancer } from "../../proxy/api.ts";
import { EdfScheduler, weightsAreEqual } from "./edf-scheduler.ts";

const CONFIG = "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin";

/** Each host in turn, beginning anywhere; with different weights each as often as its weight says, evenly spread. */
export const roundRobin: LbPolicyDef<typeof CONFIG> = {
  name: "envoy.load_balancing_policies.round_robin",
  config: CONFIG,
  ledger: { [CONFIG]: ["locality_lb_config"] },
  create(_config, context) {
    return (hosts) =>
      weightsAreEqual(hosts)
        ? new InTurn(hosts, Math.floor(context.random() * hosts.length))
        : new WeightedTurns(hosts, context.random());
  },
};

class InTurn implements LoadBalancer {
  readonly #hosts: readonly Host[];
  #next: number;

  constructor(hosts: readonly Host[], start: number) {
    this.#hosts = hosts;
    this.#next = start;
  }

  pick(): Host | undefined {
    const host = this.#hosts[this.#next];
    if (++this.#next >= this.#hosts.length) this.#next = 0;
    return host;
  }
}

class WeightedTurns implements LoadBalancer {
  readonly #hosts: readonly Host[];
  readonly #schedule: EdfScheduler;

  constructor(hosts: readonly Host[], phase: number) {
    this.#hosts = hosts;
    this.#schedule = new EdfScheduler(
      hosts.map((host) => host.weight),
      phase,
    );
  }

  pick(): Host | undefined {
    const host = this.#hosts[this.#schedule.peek()];
    if (host !== undefined) this.#schedule.advance(host.weight);
    return host;
  }
}
