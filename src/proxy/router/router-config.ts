import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { FilterStream, HttpFilterContext } from "../api.ts";
import { RouterStats } from "./router-stats.ts";
import { RouterStream } from "./router-stream.ts";

/** What of the router's own configuration is read. */
export const routerFilterLedger: Ledger = {
  "envoy.extensions.filters.http.router.v3.Router": [
    "dynamic_stats",
    "suppress_envoy_headers",
    "strict_check_headers",
    "respect_expected_rq_timeout",
  ],
};

/** The router's configuration and what all its streams on this thread share. */
export class RouterConfig {
  readonly context: HttpFilterContext;
  readonly stats: RouterStats;
  /** Whether response codes and times are counted per cluster. */
  readonly dynamicStats: boolean;
  /** No x-envoy-* headers are added. */
  readonly suppressEnvoyHeaders: boolean;
  /** Headers whose value must be valid, else 400. */
  readonly strictHeaders: readonly string[];
  /** An x-envoy-expected-rq-timeout-ms that came in is the timeout. */
  readonly respectExpectedTimeout: boolean;
  readonly #idle: RouterStream[] = [];

  constructor(
    config: Messages["envoy.extensions.filters.http.router.v3.Router"],
    context: HttpFilterContext,
  ) {
    this.context = context;
    this.stats = new RouterStats(context.scope);
    this.dynamicStats = config.dynamicStats ?? true;
    this.suppressEnvoyHeaders = config.suppressEnvoyHeaders;
    this.strictHeaders = config.strictCheckHeaders.map((name) => name.toLowerCase());
    this.respectExpectedTimeout = config.respectExpectedRqTimeout;
  }

  /** A router for one request. */
  open(stream: FilterStream): RouterStream {
    return (this.#idle.pop() ?? new RouterStream(this)).begin(stream);
  }

  /** Takes back a router whose request is over. */
  recycle(stream: RouterStream): void {
    if (this.#idle.length < IDLE_LIMIT) this.#idle.push(stream);
  }
}

const IDLE_LIMIT = 1024;
