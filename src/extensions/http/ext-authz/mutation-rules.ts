import type { Ledger } from "../../../proto/ledger.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import { regexMatch, type TextMatch } from "../../../proxy/matcher/string-matcher.ts";

type Config = Messages["envoy.config.common.mutation_rules.v3.HeaderMutationRules"];

export const mutationRulesLedger: Ledger = {
  "envoy.config.common.mutation_rules.v3.HeaderMutationRules": "all",
};

/** What becomes of a change: made, left out, or an error of who asked for it. */
export type MutationVerdict = "allow" | "ignore" | "fail";

const ROUTING = new Set(["host", ":authority", ":scheme", ":method"]);

/** Which headers of a request a service may change. */
export class MutationRules {
  readonly #config: Config;
  readonly #allows: TextMatch | undefined;
  readonly #disallows: TextMatch | undefined;

  /** Throws an Error with Envoy's text for a bad regular expression. */
  constructor(config: Config) {
    this.#config = config;
    this.#allows = expression(config.allowExpression);
    this.#disallows = expression(config.disallowExpression);
  }

  check(name: string): MutationVerdict {
    if (this.#isAllowed(name)) return "allow";
    return this.#config.disallowIsError === true ? "fail" : "ignore";
  }

  #isAllowed(name: string): boolean {
    const { allowAllRouting, allowEnvoy, disallowSystem, disallowAll } = this.#config;
    if (this.#disallows?.(name) === true) return false;
    if (this.#allows?.(name) === true) return true;
    if (disallowAll === true) return false;
    if (ROUTING.has(name) && allowAllRouting === true) return name === "host" || disallowSystem !== true;
    if (name.startsWith(":") && disallowSystem === true) return false;
    if (ROUTING.has(name)) return false;
    return !name.startsWith("x-envoy-") || allowEnvoy === true;
  }
}

function expression(config: Config["allowExpression"]): TextMatch | undefined {
  return config === undefined ? undefined : regexMatch(config.regex);
}
