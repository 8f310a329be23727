import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Runtime } from "../api.ts";

/** What of a RuntimeFractionalPercent is read. */
export const runtimeFractionLedger: Ledger = {
  "envoy.config.core.v3.RuntimeFractionalPercent": "all",
  "envoy.type.v3.FractionalPercent": "all",
};

const DENOMINATORS = [100, 10_000, 1_000_000];

/** A share of requests, such as 25 %, whose numerator a runtime key may replace. */
export class RuntimeFraction {
  readonly #runtime: Runtime;
  readonly #key: string;
  readonly #numerator: number;
  readonly #denominator: number;

  constructor(config: Messages["envoy.config.core.v3.RuntimeFractionalPercent"], runtime: Runtime) {
    this.#runtime = runtime;
    this.#key = config.runtimeKey;
    this.#numerator = config.defaultValue?.numerator ?? 0;
    this.#denominator = DENOMINATORS[config.defaultValue?.denominator ?? 0] ?? 100;
  }

  /** Whether a request with this random number (in [0, 1)) belongs to the share. */
  includes(random: number): boolean {
    const numerator = this.#key === "" ? this.#numerator : this.#runtime.number(this.#key, this.#numerator);
    return random * this.#denominator < numerator;
  }
}
