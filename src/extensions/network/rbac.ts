import { Timer, type TimerOwner } from "../../base/timer-wheel.ts";
import { HeaderMap } from "../../http/header-map.ts";
import { durationMs } from "../../proto/duration.ts";
import type { Counter } from "../../stats/stat-store.ts";
import type {
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkFilterContext,
  NetworkFilterDef,
  NetworkVerdict,
  PassingFilterFactory,
} from "../../proxy/api.ts";
import { Policies, rbacLedger } from "../rbac/policies.ts";

const NAME = "envoy.filters.network.rbac";
const CONTINUOUS = 1;
/** Connections have no headers. */
const NO_HEADERS = HeaderMap.of([]);

/** envoy.filters.network.rbac: who may connect, judged at the client's first bytes. */
export const networkRbac: NetworkFilterDef<
  "envoy.extensions.filters.network.rbac.v3.RBAC",
  PassingFilterFactory
> = {
  name: NAME,
  config: "envoy.extensions.filters.network.rbac.v3.RBAC",
  ledger: {
    ...rbacLedger,
    "envoy.extensions.filters.network.rbac.v3.RBAC": [
      "rules",
      "shadow_rules",
      "shadow_rules_stat_prefix",
      "stat_prefix",
      "enforcement_type",
      "delay_deny",
    ],
  },
  create(config, context) {
    const scope = context.stats.scope(`${dotted(config.statPrefix)}rbac.`);
    const prefix = config.shadowRulesStatPrefix;
    const shadow = scope.scope(dotted(prefix));
    const settings: Settings = {
      context,
      rules: config.rules && new Policies(config.rules),
      shadowRules: config.shadowRules && new Policies(config.shadowRules),
      shadowPrefix: prefix,
      continuous: (config.enforcementType as number) === CONTINUOUS,
      delay: durationMs(config.delayDeny, 0),
      allowed: scope.counter("allowed"),
      denied: scope.counter("denied"),
      shadowAllowed: shadow.counter("shadow_allowed"),
      shadowDenied: shadow.counter("shadow_denied"),
    };
    return { attach: (callbacks) => new RbacConnection(callbacks, settings) };
  },
};

interface Settings {
  readonly context: NetworkFilterContext;
  readonly rules: Policies | undefined;
  readonly shadowRules: Policies | undefined;
  readonly shadowPrefix: string;
  /** Judge at each read, not only at the first. */
  readonly continuous: boolean;
  /** How long a denied connection is held, in milliseconds. */
  readonly delay: number;
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly shadowAllowed: Counter;
  readonly shadowDenied: Counter;
}

class RbacConnection implements NetworkFilter, TimerOwner {
  readonly #callbacks: NetworkFilterCallbacks;
  readonly #settings: Settings;
  #timer: Timer | undefined;
  #details = "";
  #judged = false;

  constructor(callbacks: NetworkFilterCallbacks, settings: Settings) {
    this.#callbacks = callbacks;
    this.#settings = settings;
  }

  onData(): NetworkVerdict {
    if (this.#details !== "") return "stop";
    if (this.#judged && !this.#settings.continuous) return "continue";
    this.#judged = true;
    this.#judgeInShadow();
    return this.#judge();
  }

  onTimer(): void {
    this.#callbacks.close(this.#details);
  }

  onClose(): void {
    if (this.#timer !== undefined) this.#settings.context.wheel.disarm(this.#timer);
  }

  #judge(): NetworkVerdict {
    const { rules, allowed, denied, delay, context } = this.#settings;
    if (rules === undefined) return "continue";
    const { downstream, close } = this.#callbacks;
    const decision = rules.decide(NO_HEADERS, downstream.record);
    if (decision.allowed) {
      allowed.inc();
      return "continue";
    }
    denied.inc();
    const policy = decision.policy === "" ? "none" : decision.policy.replaceAll(/\s/g, "_");
    this.#details = `rbac_access_denied_matched_policy[${policy}]`;
    if (delay === 0) close(this.#details);
    else {
      downstream.connection.pauseReading();
      this.#timer = new Timer(this);
      context.wheel.arm(this.#timer, delay);
    }
    return "stop";
  }

  /** Counts what rules on trial say, and leaves it in the dynamic metadata for logs. */
  #judgeInShadow(): void {
    const { shadowRules, shadowPrefix, shadowAllowed, shadowDenied } = this.#settings;
    if (shadowRules === undefined) return;
    const { record, info } = this.#callbacks.downstream;
    const decision = shadowRules.decide(NO_HEADERS, record);
    (decision.allowed ? shadowAllowed : shadowDenied).inc();
    record.dynamicMetadata = info.dynamicMetadata ??= new Map();
    const metadata = info.dynamicMetadata.get(NAME) ?? {};
    info.dynamicMetadata.set(NAME, metadata);
    if (decision.policy !== "") metadata[`${shadowPrefix}shadow_effective_policy_id`] = decision.policy;
    metadata[`${shadowPrefix}shadow_engine_result`] = decision.allowed ? "allowed" : "denied";
  }
}

function dotted(prefix: string): string {
  return prefix === "" || prefix.endsWith(".") ? prefix : `${prefix}.`;
}
