import type { Counter, StatScope } from "../../../stats/stat-store.ts";

const OUTCOMES = ["ok", "denied", "error", "disabled", "failure_mode_allowed", "invalid"] as const;
const OTHERS = [
  "ignored_dynamic_metadata", "filter_state_name_collision", "omitted_response_headers",
  "request_header_limits_reached", "response_header_limits_reached",
] as const; // prettier-ignore

/** How a check ended. */
export type Outcome = (typeof OUTCOMES)[number];

/** The counters of one scope; those of clusters exist from their first use. */
export class ExtAuthzStats {
  readonly #scope: StatScope;
  readonly #counters = new Map<Outcome, Counter>();

  constructor(scope: StatScope, lazy = false) {
    this.#scope = scope;
    if (lazy) return;
    for (const name of OUTCOMES) this.#counters.set(name, scope.counter(name));
    for (const name of OTHERS) scope.counter(name);
  }

  count(outcome: Outcome): void {
    let counter = this.#counters.get(outcome);
    if (counter === undefined) {
      counter = this.#scope.counter(outcome);
      this.#counters.set(outcome, counter);
    }
    counter.inc();
  }
}
