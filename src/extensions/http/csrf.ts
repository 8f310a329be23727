import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Counter } from "../../stats/stat-store.ts";
import type { FactoryContext, FilterStream, HttpFilter, HttpFilterDef, Verdict } from "../../proxy/api.ts";
import { RuntimeFraction, runtimeFractionLedger } from "../../proxy/matcher/runtime-fraction.ts";
import {
  compileStringMatcher,
  stringMatcherLedger,
  type TextMatch,
} from "../../proxy/matcher/string-matcher.ts";

type CsrfConfig = Messages["envoy.extensions.filters.http.csrf.v3.CsrfPolicy"];

const ORIGIN = knownHeaderId("origin");
const REFERER = knownHeaderId("referer");
const MODIFYING = new Set(["POST", "PUT", "DELETE", "PATCH"]);

/** envoy.filters.http.csrf: requests that change something must come from a page of the same host, or of a friend's. */
export const csrf: HttpFilterDef<
  "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
  "envoy.extensions.filters.http.csrf.v3.CsrfPolicy"
> = {
  name: "envoy.filters.http.csrf",
  config: "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
  perRoute: "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
  ledger: {
    ...stringMatcherLedger,
    ...runtimeFractionLedger,
    "envoy.extensions.filters.http.csrf.v3.CsrfPolicy": "all",
  },
  create(config, context) {
    const scope = context.scope.scope("csrf.");
    const shared: Shared = {
      context,
      policy: new CsrfPolicy(config, context),
      missing: scope.counter("missing_source_origin"),
      invalid: scope.counter("request_invalid"),
      valid: scope.counter("request_valid"),
    };
    return (stream) => new CsrfFilter(stream, shared);
  },
  createPerRoute: (config, context) => new CsrfPolicy(config, context),
};

interface Shared {
  readonly context: FactoryContext;
  readonly policy: CsrfPolicy;
  readonly missing: Counter;
  readonly invalid: Counter;
  readonly valid: Counter;
}

class CsrfPolicy {
  readonly #enabled: RuntimeFraction;
  readonly #shadow: RuntimeFraction | undefined;
  readonly #friends: readonly TextMatch[];

  constructor(config: CsrfConfig, context: FactoryContext) {
    if (config.filterEnabled === undefined) throw new Error("CsrfPolicy: filter_enabled must be set");
    this.#enabled = new RuntimeFraction(config.filterEnabled, context.runtime);
    this.#shadow = config.shadowEnabled && new RuntimeFraction(config.shadowEnabled, context.runtime);
    this.#friends = config.additionalOrigins.map((each) => compileStringMatcher(each));
  }

  enabled(random: number): boolean {
    return this.#enabled.includes(random);
  }

  shadow(random: number): boolean {
    return this.#shadow !== undefined && this.#shadow.includes(random);
  }

  allows(source: string, target: string): boolean {
    return source === target || this.#friends.some((fits) => fits(source));
  }
}

class CsrfFilter implements HttpFilter {
  readonly #stream: FilterStream;
  readonly #shared: Shared;

  constructor(stream: FilterStream, shared: Shared) {
    this.#stream = stream;
    this.#shared = shared;
  }

  onRequestHeaders(headers: HeaderMap): Verdict {
    if (!MODIFYING.has(headers.method)) return "continue";
    const shared = this.#shared;
    const policy = (this.#stream.perRoute() as CsrfPolicy | undefined) ?? shared.policy;
    const random = shared.context.random();
    const enabled = policy.enabled(random);
    if (!enabled && !policy.shadow(random)) return "continue";
    const source = sourceOf(headers);
    if (source === "") shared.missing.inc();
    else if (policy.allows(source, hostAndPort(headers.authority))) {
      shared.valid.inc();
      return "continue";
    } else shared.invalid.inc();
    if (!enabled) return "continue";
    this.#stream.sendLocalReply({ status: 403, body: "Invalid origin", details: "csrf_origin_mismatch" });
    return "stop";
  }
}

/** Host and port of the page that sent the request; "" when it is not known. "null" is an origin that hides itself. */
function sourceOf(headers: HeaderMap): string {
  const origin = headers.getId(ORIGIN) ?? "";
  if (origin === "null") return "";
  return hostAndPort(origin === "" ? (headers.getId(REFERER) ?? "") : origin);
}

function hostAndPort(text: string): string {
  return /^https?:\/\/(?:[^@/?#]*@)?([^/?#]+)/i.exec(text)?.[1] ?? text;
}
