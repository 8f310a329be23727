import type { Host, LbPolicyDef, LoadBalancer } from "../../proxy/api.ts";
import { only } from "../../proto/ledger.ts";
import { EdfScheduler, weightsAreEqual } from "./edf-scheduler.ts";
import { SlowStart, slowStartLedger } from "./slow-start.ts";

const CONFIG = "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest";
const FULL_SCAN = 1;

/**
 * The host with the fewest requests in flight (those of all threads) among a few picked at random, two by default.
 * Hosts of different weights take turns by weight / (active + 1)^bias instead.
 */
export const leastRequest: LbPolicyDef<typeof CONFIG> = {
  name: "envoy.load_balancing_policies.least_request",
  config: CONFIG,
  ledger: {
    ...slowStartLedger,
    [CONFIG]: [
      "choice_count",
      "active_request_bias",
      "locality_lb_config",
      "slow_start_config",
      "enable_full_scan",
      only("selection_method", "N_CHOICES", "FULL_SCAN"),
    ],
    "envoy.config.core.v3.RuntimeDouble": ["default_value", "runtime_key"],
  },
  create(config, context) {
    const choices = config.choiceCount ?? 2;
    const fullScan = config.selectionMethod === FULL_SCAN || config.enableFullScan === true;
    const bias = config.activeRequestBias;
    const slowStart = SlowStart.of(config.slowStartConfig, context);
    return (hosts) => {
      if (weightsAreEqual(hosts) && slowStart?.concerns(hosts) !== true) {
        return fullScan
          ? new FewestOfAll(hosts, context.random)
          : new FewestOfSome(hosts, choices, context.random);
      }
      const exponent = bias === undefined ? 1 : context.runtime.number(bias.runtimeKey, bias.defaultValue);
      return new ByWeightAndLoad(hosts, Math.max(0, exponent), slowStart, context.random());
    };
  },
};

class FewestOfSome implements LoadBalancer {
  readonly #hosts: readonly Host[];
  readonly #choices: number;
  readonly #random: () => number;

  constructor(hosts: readonly Host[], choices: number, random: () => number) {
    this.#hosts = hosts;
    this.#choices = choices;
    this.#random = random;
  }

  /** Picks with replacement: the same host may be drawn twice, and a tie keeps the first, as in Envoy. */
  pick(): Host | undefined {
    const hosts = this.#hosts;
    if (hosts.length < 2) return hosts[0];
    let best: Host | undefined;
    let fewest = 0;
    for (let i = 0; i < this.#choices; i++) {
      const host = hosts[Math.floor(this.#random() * hosts.length)]!;
      const active = host.activeRequests;
      if (best !== undefined && active >= fewest) continue;
      best = host;
      fewest = active;
    }
    return best;
  }
}

class FewestOfAll implements LoadBalancer {
  readonly #hosts: readonly Host[];
  readonly #random: () => number;

  constructor(hosts: readonly Host[], random: () => number) {
    this.#hosts = hosts;
    this.#random = random;
  }

  /** Among equals each has the same chance: the n-th one seen replaces the choice with chance 1/n. */
  pick(): Host | undefined {
    const hosts = this.#hosts;
    let best: Host | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    let equals = 0;
    for (let i = 0; i < hosts.length; i++) {
      const active = hosts[i]!.activeRequests;
      if (active > fewest) continue;
      equals = active < fewest ? 1 : equals + 1;
      fewest = active;
      if (equals === 1 || this.#random() * equals < 1) best = hosts[i];
    }
    return best;
  }
}

class ByWeightAndLoad implements LoadBalancer {
  readonly #hosts: readonly Host[];
  readonly #bias: number;
  readonly #slowStart: SlowStart | undefined;
  readonly #schedule: EdfScheduler;

  constructor(hosts: readonly Host[], bias: number, slowStart: SlowStart | undefined, phase: number) {
    this.#hosts = hosts;
    this.#bias = bias;
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
    const bias = this.#bias;
    const weight = this.#slowStart === undefined ? host.weight : this.#slowStart.weight(host);
    if (bias === 0) return weight;
    const load = host.activeRequests + 1;
    return weight / (bias === 1 ? load : load ** bias);
  }
}
