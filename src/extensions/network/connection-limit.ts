import { Timer, type TimerOwner } from "../../base/timer-wheel.ts";
import { durationMs } from "../../proto/duration.ts";
import type { Counter, Gauge } from "../../stats/stat-store.ts";
import type {
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkFilterContext,
  NetworkFilterDef,
  NetworkVerdict,
  PassingFilterFactory,
} from "../../proxy/api.ts";
import { runtimeFlag, runtimeFlagLedger } from "./runtime-flag.ts";

/** envoy.filters.network.connection_limit: so many connections of this filter chain at a time, in each worker. */
export const connectionLimit: NetworkFilterDef<
  "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
  PassingFilterFactory
> = {
  name: "envoy.filters.network.connection_limit",
  config: "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
  ledger: {
    ...runtimeFlagLedger,
    "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit": "all",
  },
  create(config, context) {
    const scope = context.stats.scope(`connection_limit.${config.statPrefix}.`);
    const limit: Limit = {
      context,
      max: Number(config.maxConnections),
      delay: durationMs(config.delay, 0),
      limited: scope.counter("limited_connections"),
      active: scope.gauge("active_connections"),
      open: 0,
    };
    const enabled = runtimeFlag(config.runtimeEnabled, context.runtime);
    return { attach: (callbacks) => (enabled() ? new LimitedConnection(callbacks, limit) : undefined) };
  },
};

interface Limit {
  readonly context: NetworkFilterContext;
  readonly max: number;
  /** How long a connection too many is held, in milliseconds. */
  readonly delay: number;
  readonly limited: Counter;
  readonly active: Gauge;
  open: number;
}

class LimitedConnection implements NetworkFilter, TimerOwner {
  readonly #callbacks: NetworkFilterCallbacks;
  readonly #limit: Limit;
  #timer: Timer | undefined;
  #counted = false;

  constructor(callbacks: NetworkFilterCallbacks, limit: Limit) {
    this.#callbacks = callbacks;
    this.#limit = limit;
  }

  onNewConnection(): NetworkVerdict {
    const limit = this.#limit;
    if (limit.open < limit.max) {
      limit.open++;
      limit.active.inc();
      this.#counted = true;
      return "continue";
    }
    limit.limited.inc();
    if (limit.delay === 0) this.#callbacks.close("");
    else {
      this.#callbacks.downstream.connection.pauseReading();
      this.#timer = new Timer(this);
      limit.context.wheel.arm(this.#timer, limit.delay);
    }
    return "stop";
  }

  onTimer(): void {
    this.#callbacks.close("");
  }

  onClose(): void {
    if (this.#timer !== undefined) this.#limit.context.wheel.disarm(this.#timer);
    if (!this.#counted) return;
    this.#limit.open--;
    this.#limit.active.dec();
  }
}
