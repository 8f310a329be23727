import type { TokenBucket } from "../../base/token-bucket.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { only } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Counter } from "../../stats/stat-store.ts";
import {
  ResponseFlag,
  type FactoryContext,
  type FilterStream,
  type HttpFilter,
  type HttpFilterDef,
  type StreamInfo,
  type Verdict,
} from "../../proxy/api.ts";
import { RuntimeFraction, runtimeFractionLedger } from "../../proxy/matcher/runtime-fraction.ts";
import { tokenBucket } from "../token-bucket.ts";
import { compileHeaderOption, type HeaderChange } from "./header-options.ts";

type Config = Messages["envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"];
type Format = ((text: string) => (info: StreamInfo) => string) | undefined;

const DRAFT_VERSION_03 = 1;
const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;

/**
 * envoy.filters.http.local_ratelimit: a token bucket for all requests of a filter or a route. Each worker has a bucket of
 * its own.
 */
export const localRatelimit: HttpFilterDef<
  "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
  "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
> = {
  name: "envoy.filters.http.local_ratelimit",
  config: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
  perRoute: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
  ledger: {
    ...runtimeFractionLedger,
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit": [
      "stat_prefix",
      "status",
      "token_bucket",
      "filter_enabled",
      "filter_enforced",
      "request_headers_to_add_when_not_enforced",
      "response_headers_to_add",
      only("enable_x_ratelimit_headers", "OFF", "DRAFT_VERSION_03"),
      "rate_limited_as_resource_exhausted",
    ],
    "envoy.type.v3.HttpStatus": "all",
    "envoy.type.v3.TokenBucket": "all",
    "envoy.config.core.v3.HeaderValueOption": ["header", "append_action", "keep_empty_value"],
    "envoy.config.core.v3.HeaderValue": ["key", "value"],
  },
  create(config, context) {
    const settings = new Limit(config, context, context.format);
    return (stream) => new LocalRatelimitFilter(stream, settings, context);
  },
  createPerRoute: (config, context) => new Limit(config, context, undefined),
};

class Limit {
  readonly bucket: TokenBucket | undefined;
  readonly status: number;
  readonly grpcStatus: number;
  readonly tells: boolean;
  readonly onRequest: readonly HeaderChange[];
  readonly onResponse: readonly HeaderChange[];
  readonly enabled: RuntimeFraction | undefined;
  readonly enforced: RuntimeFraction | undefined;
  readonly counters: Readonly<Record<"enabled" | "enforced" | "ok" | "rate_limited", Counter>>;

  constructor(config: Config, context: FactoryContext, format: Format) {
    const { runtime, stats, clock } = context;
    this.bucket = config.tokenBucket && tokenBucket(config.tokenBucket, clock);
    const code = config.status?.code ?? 0;
    this.status = code < 400 ? 429 : code;
    this.grpcStatus = config.rateLimitedAsResourceExhausted ? RESOURCE_EXHAUSTED : UNAVAILABLE;
    this.tells = (config.enableXRatelimitHeaders as number) === DRAFT_VERSION_03;
    const compile = (list: Config["responseHeadersToAdd"]): HeaderChange[] =>
      list.map((each) => compileHeaderOption(each, "local_ratelimit", format));
    this.onRequest = compile(config.requestHeadersToAddWhenNotEnforced);
    this.onResponse = compile(config.responseHeadersToAdd);
    this.enabled = config.filterEnabled && new RuntimeFraction(config.filterEnabled, runtime);
    this.enforced = config.filterEnforced && new RuntimeFraction(config.filterEnforced, runtime);
    const scope = stats.scope(`${config.statPrefix}.http_local_rate_limit.`);
    this.counters = {
      enabled: scope.counter("enabled"),
      enforced: scope.counter("enforced"),
      ok: scope.counter("ok"),
      rate_limited: scope.counter("rate_limited"),
    };
    scope.counter("shadow_mode");
  }
}

class LocalRatelimitFilter implements HttpFilter {
  readonly #stream: FilterStream;
  readonly #own: Limit;
  readonly #context: FactoryContext;
  /** The bucket that this request took from, when the response tells of it. */
  #bucket: TokenBucket | undefined;

  constructor(stream: FilterStream, own: Limit, context: FactoryContext) {
    this.#stream = stream;
    this.#own = own;
    this.#context = context;
  }

  onRequestHeaders(headers: HeaderMap): Verdict {
    const limit = (this.#stream.perRoute() as Limit | undefined) ?? this.#own;
    const { counters, bucket } = limit;
    const random = this.#context.random();
    if (limit.enabled === undefined || !limit.enabled.includes(random)) return "continue";
    counters.enabled.inc();
    if (bucket === undefined) {
      counters.ok.inc();
      return "continue";
    }
    if (limit.tells) this.#bucket = bucket;
    if (bucket.take()) {
      counters.ok.inc();
      return "continue";
    }
    counters.rate_limited.inc();
    const { info } = this.#stream;
    if (limit.enforced === undefined || !limit.enforced.includes(random)) {
      for (const change of limit.onRequest) change(headers, info);
      return "continue";
    }
    counters.enforced.inc();
    this.#stream.sendLocalReply({
      status: limit.status,
      body: "local_rate_limited",
      details: "local_rate_limited",
      flags: ResponseFlag.RateLimited,
      grpcStatus: limit.grpcStatus,
      modify: (reply) => {
        for (const change of limit.onResponse) change(reply, info);
      },
    });
    return "stop";
  }

  onResponseHeaders(headers: HeaderMap): Verdict {
    const bucket = this.#bucket;
    if (bucket === undefined) return "continue";
    headers.set("x-ratelimit-limit", String(bucket.size));
    headers.set("x-ratelimit-remaining", String(bucket.left()));
    headers.set("x-ratelimit-reset", String(bucket.secondsToNext()));
    return "continue";
  }
}
