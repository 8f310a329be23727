import type { Clock } from "../../base/clock.ts";
import { durationMs } from "../../proto/duration.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Ledger } from "../../proto/ledger.ts";
import type { FactoryContext, Host } from "../../proxy/api.ts";

type Config = Messages["envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig"];

export const slowStartLedger: Ledger = {
  "envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig": "all",
};

/** Percent of a host's weight that it has from the beginning. */
const MIN_WEIGHT_PERCENT = 10;

/**
 * Lets hosts that are new, or that an active health check has taken back, begin with a part of their weight:
 * weight × max(min_weight_percent, (age / slow_start_window) ^ (1 / aggression)).
 */
export class SlowStart {
  readonly #window: number;
  readonly #exponent: number;
  readonly #least: number;
  readonly #clock: Clock;

  /** Undefined when hosts have all their weight at once. */
  static of(config: Config | undefined, context: FactoryContext): SlowStart | undefined {
    const window = durationMs(config?.slowStartWindow, 0);
    return config === undefined || window === 0 ? undefined : new SlowStart(config, window, context);
  }

  private constructor(config: Config, window: number, { clock, runtime }: FactoryContext) {
    const { aggression } = config;
    const value =
      aggression === undefined ? 1 : runtime.number(aggression.runtimeKey, aggression.defaultValue);
    this.#window = window;
    this.#exponent = value > 0 ? 1 / value : 1;
    this.#least = (config.minWeightPercent?.value ?? MIN_WEIGHT_PERCENT) / 100;
    this.#clock = clock;
  }

  /** Whether some host has not all of its weight yet. */
  concerns(hosts: readonly Host[]): boolean {
    const since = this.#clock.now() - this.#window;
    return hosts.some((host) => host.healthy && host.startedAt > since);
  }

  /** A host's weight now. */
  weight(host: Host): number {
    const age = Math.max(1, this.#clock.now() - host.startedAt);
    if (age >= this.#window || !host.healthy) return host.weight;
    return host.weight * Math.max(this.#least, (age / this.#window) ** this.#exponent);
  }
}
