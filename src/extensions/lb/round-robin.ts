import type { Host, LbPolicyDef, LoadBalancer } from "../../proxy/api.ts";
import { EdfScheduler, weightsAreEqual } from "./edf-scheduler.ts";
import { SlowStart, slowStartLedger } from "./slow-start.ts";

const CONFIG = "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin";

/** Each host in turn, beginning anywhere; with different weights each as often as its weight says, evenly spread. */
export const roundRobin: LbPolicyDef<typeof CONFIG> = {
  name: "envoy.load_balancing_policies.round_robin",
  config: CONFIG,
  ledger: { ...slowStartLedger, [CONFIG]: ["locality_lb_config", "slow_start_config"] },
  create(config, context) {
    const slowStart = SlowStart.of(config.slowStartConfig, context);
    return (hosts) =>
      weightsAreEqual(hosts) && slowStart?.concerns(hosts) !== true
        ? new InTurn(hosts, Math.floor(context.random() * hosts.length))
        : new WeightedTurns(hosts, slowStart, context.random());
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
  readonly #slowStart: SlowStart | undefined;
  readonly #schedule: EdfScheduler;

  constructor(hosts: readonly Host[], slowStart: SlowStart | undefined, phase: number) {
    this.#hosts = hosts;
    this.#slowStart = slowStart;
    this.#schedule = new EdfScheduler(
      hosts.map((host) => this.#weight(host)),
      phase,
    );
  }

  pick(): Host | undefined {
    const host = this.#hosts[this.#schedule.peek()];
    if (host !== undefined) this.#schedule.advance(this.#weight(host));
    return host;
  }

  #weight(host: Host): number {
    return this.#slowStart === undefined ? host.weight : this.#slowStart.weight(host);
  }
}
