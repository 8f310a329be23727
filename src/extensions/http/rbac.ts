import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Counter } from "../../stats/stat-store.ts";
import type { FilterStream, HttpFilter, HttpFilterDef, StreamInfo, Verdict } from "../../proxy/api.ts";
import { Policies, rbacLedger, type Decision } from "../rbac/policies.ts";

type Config = Messages["envoy.extensions.filters.http.rbac.v3.RBAC"];

const NAME = "envoy.filters.http.rbac";

/** envoy.filters.http.rbac: who may do what, by rules; shadow rules are only counted. */
export const rbac: HttpFilterDef<
  "envoy.extensions.filters.http.rbac.v3.RBAC",
  "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
> = {
  name: NAME,
  config: "envoy.extensions.filters.http.rbac.v3.RBAC",
  perRoute: "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
  ledger: {
    ...rbacLedger,
    "envoy.extensions.filters.http.rbac.v3.RBAC": [
      "rules",
      "rules_stat_prefix",
      "shadow_rules",
      "shadow_rules_stat_prefix",
    ],
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute": "all",
  },
  create(config, context) {
    const scope = context.scope.scope("rbac.");
    const enforced = scope.scope(dotted(config.rulesStatPrefix));
    const shadow = scope.scope(dotted(config.shadowRulesStatPrefix));
    const shared: Shared = {
      rules: new Rules(config),
      prefix: config.rulesStatPrefix,
      shadowPrefix: config.shadowRulesStatPrefix,
      allowed: enforced.counter("allowed"),
      denied: enforced.counter("denied"),
      shadowAllowed: shadow.counter("shadow_allowed"),
      shadowDenied: shadow.counter("shadow_denied"),
    };
    return (stream) => new RbacFilter(stream, shared);
  },
  createPerRoute: (config) => (config.rbac === undefined ? "disabled" : new Rules(config.rbac)),
};

class Rules {
  readonly enforced: Policies | undefined;
  readonly shadow: Policies | undefined;

  constructor(config: Config) {
    this.enforced = config.rules && new Policies(config.rules);
    this.shadow = config.shadowRules && new Policies(config.shadowRules);
  }
}

interface Shared {
  readonly rules: Rules;
  readonly prefix: string;
  readonly shadowPrefix: string;
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly shadowAllowed: Counter;
  readonly shadowDenied: Counter;
}

class RbacFilter implements HttpFilter {
  readonly #stream: FilterStream;
  readonly #shared: Shared;

  constructor(stream: FilterStream, shared: Shared) {
    this.#stream = stream;
    this.#shared = shared;
  }

  onRequestHeaders(headers: HeaderMap): Verdict {
    const shared = this.#shared;
    const { info } = this.#stream;
    const route = this.#stream.perRoute() as Rules | "disabled" | undefined;
    if (route === "disabled") return "continue";
    const { enforced, shadow } = route ?? shared.rules;
    if (shadow !== undefined) {
      const decision = shadow.decide(headers, info);
      (decision.allowed ? shared.shadowAllowed : shared.shadowDenied).inc();
      note(info, shared.shadowPrefix + "shadow_", decision);
    }
    if (enforced === undefined) return "continue";
    const decision = enforced.decide(headers, info);
    note(info, shared.prefix + "enforced_", decision);
    if (decision.allowed) {
      shared.allowed.inc();
      return "continue";
    }
    shared.denied.inc();
    const policy = decision.policy === "" ? "none" : decision.policy.replaceAll(/\s/g, "_");
    this.#stream.sendLocalReply({
      status: 403,
      body: "RBAC: access denied",
      details: `rbac_access_denied_matched_policy[${policy}]`,
    });
    return "stop";
  }
}

/** Leaves the decision in the dynamic metadata, for logs. */
function note(info: StreamInfo, prefix: string, decision: Decision): void {
  info.dynamicMetadata ??= new Map();
  let metadata = info.dynamicMetadata.get(NAME);
  if (metadata === undefined) info.dynamicMetadata.set(NAME, (metadata = {}));
  if (decision.policy !== "") metadata[prefix + "effective_policy_id"] = decision.policy;
  metadata[prefix + "engine_result"] = decision.allowed ? "allowed" : "denied";
}

function dotted(prefix: string): string {
  return prefix === "" || prefix.endsWith(".") ? prefix : prefix + ".";
}
