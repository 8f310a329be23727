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

const ORIGIN = knownHeaderId("origin");
const REQUEST_METHOD = knownHeaderId("access-control-request-method");
const REQUEST_HEADERS = knownHeaderId("access-control-request-headers");
const REQUEST_PRIVATE = knownHeaderId("access-control-request-private-network");
const ALLOW_ORIGIN = knownHeaderId("access-control-allow-origin");
const ALLOW_CREDENTIALS = knownHeaderId("access-control-allow-credentials");
const EXPOSE_HEADERS = knownHeaderId("access-control-expose-headers");

/** envoy.filters.http.cors: answers preflight requests and marks responses, by the policy of the route (Fetch standard). */
export const cors: HttpFilterDef<
  "envoy.extensions.filters.http.cors.v3.Cors",
  "envoy.extensions.filters.http.cors.v3.CorsPolicy"
> = {
  name: "envoy.filters.http.cors",
  config: "envoy.extensions.filters.http.cors.v3.Cors",
  perRoute: "envoy.extensions.filters.http.cors.v3.CorsPolicy",
  ledger: {
    ...stringMatcherLedger,
    ...runtimeFractionLedger,
    "envoy.extensions.filters.http.cors.v3.Cors": "all",
    "envoy.extensions.filters.http.cors.v3.CorsPolicy": "all",
  },
  create(_config, context) {
    const scope = context.scope.scope("cors.");
    const valid = scope.counter("origin_valid");
    const invalid = scope.counter("origin_invalid");
    return (stream) => new CorsFilter(stream, context, valid, invalid);
  },
  createPerRoute: (config, context) => new CorsPolicy(config, context),
};

class CorsPolicy {
  readonly methods: string;
  readonly headers: string;
  readonly expose: string;
  readonly maxAge: string;
  readonly credentials: boolean;
  readonly privateNetwork: boolean;
  readonly forwardOthers: boolean;
  readonly #origins: readonly TextMatch[];
  readonly #enabled: RuntimeFraction | undefined;
  readonly #shadow: RuntimeFraction | undefined;

  constructor(config: Messages["envoy.extensions.filters.http.cors.v3.CorsPolicy"], context: FactoryContext) {
    this.methods = config.allowMethods;
    this.headers = config.allowHeaders;
    this.expose = config.exposeHeaders;
    this.maxAge = config.maxAge;
    this.credentials = config.allowCredentials ?? false;
    this.privateNetwork = config.allowPrivateNetworkAccess ?? false;
    this.forwardOthers = config.forwardNotMatchingPreflights ?? true;
    this.#origins = config.allowOriginStringMatch.map((each) =>
      each.matchPattern.case === "exact" && each.matchPattern.value === "*"
        ? () => true
        : compileStringMatcher(each),
    );
    const { runtime } = context;
    this.#enabled = config.filterEnabled && new RuntimeFraction(config.filterEnabled, runtime);
    this.#shadow = config.shadowEnabled && new RuntimeFraction(config.shadowEnabled, runtime);
  }

  enabled(random: number): boolean {
    return this.#enabled === undefined || this.#enabled.includes(random);
  }

  shadow(random: number): boolean {
    return this.#shadow !== undefined && this.#shadow.includes(random);
  }

  allows(origin: string): boolean {
    for (let i = 0; i < this.#origins.length; i++) if (this.#origins[i]!(origin)) return true;
    return false;
  }
}

class CorsFilter implements HttpFilter {
  readonly #stream: FilterStream;
  readonly #context: FactoryContext;
  readonly #valid: Counter;
  readonly #invalid: Counter;
  /** Set when the response is to be marked for `#origin`. */
  #policy: CorsPolicy | undefined;
  #origin = "";

  constructor(stream: FilterStream, context: FactoryContext, valid: Counter, invalid: Counter) {
    this.#stream = stream;
    this.#context = context;
    this.#valid = valid;
    this.#invalid = invalid;
  }

  onRequestHeaders(headers: HeaderMap): Verdict {
    const origin = headers.getId(ORIGIN);
    if (origin === undefined || origin === "") return "continue";
    const route = this.#stream.route;
    const policy = this.#stream.perRoute();
    if (!(policy instanceof CorsPolicy) || route?.forwards === false) return "continue";
    const random = this.#context.random();
    const enabled = policy.enabled(random);
    if (!enabled && !policy.shadow(random)) return "continue";
    const preflight = headers.method === "OPTIONS" && (headers.getId(REQUEST_METHOD) ?? "") !== "";
    if (!policy.allows(origin)) {
      this.#invalid.inc();
      if (!enabled || !preflight || policy.forwardOthers) return "continue";
      this.#stream.sendLocalReply({ status: 200, details: "cors_response" });
      return "stop";
    }
    this.#valid.inc();
    if (!enabled) return "continue";
    this.#policy = policy;
    this.#origin = origin;
    if (!preflight) return "continue";
    this.#stream.sendLocalReply({
      status: 200,
      details: "cors_response",
      headers: preflightHeaders(policy, origin, headers),
    });
    return "stop";
  }

  onResponseHeaders(headers: HeaderMap): Verdict {
    const policy = this.#policy;
    if (policy === undefined) return "continue";
    headers.setId(ALLOW_ORIGIN, this.#origin);
    if (policy.credentials) headers.setId(ALLOW_CREDENTIALS, "true");
    if (policy.expose !== "") headers.setId(EXPOSE_HEADERS, policy.expose);
    return "continue";
  }
}

/** "*" for methods and headers gives back what was asked for. */
function preflightHeaders(policy: CorsPolicy, origin: string, request: HeaderMap): [string, string][] {
  const reply: [string, string][] = [["access-control-allow-origin", origin]];
  const add = (name: string, value: string): void => {
    if (value !== "") reply.push([name, value]);
  };
  if (policy.credentials) add("access-control-allow-credentials", "true");
  const { methods, headers } = policy;
  add("access-control-allow-methods", methods === "*" ? (request.getId(REQUEST_METHOD) ?? "") : methods);
  add("access-control-allow-headers", headers === "*" ? (request.getId(REQUEST_HEADERS) ?? "") : headers);
  add("access-control-max-age", policy.maxAge);
  if (policy.privateNetwork && request.getId(REQUEST_PRIVATE) === "true")
    add("access-control-allow-private-network", "true");
  return reply;
}
