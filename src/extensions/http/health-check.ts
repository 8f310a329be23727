import { durationMs } from "../../proto/duration.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import {
  ResponseFlag,
  type FilterStream,
  type HttpFilter,
  type HttpFilterContext,
  type HttpFilterDef,
  type Verdict,
} from "../../proxy/api.ts";
import { HeaderMatcher, headerMatcherLedger, matchesAll } from "../../proxy/matcher/header-matcher.ts";

const CHECKED_CLUSTER = knownHeaderId("x-envoy-upstream-healthchecked-cluster");
const FAILED = knownHeaderId("x-envoy-immediate-health-check-fail");

/** envoy.filters.http.health_check: answers health checks of this proxy, or lets the service answer, and tells when the proxy drains. */
export const healthCheck: HttpFilterDef<"envoy.extensions.filters.http.health_check.v3.HealthCheck"> = {
  name: "envoy.filters.http.health_check",
  config: "envoy.extensions.filters.http.health_check.v3.HealthCheck",
  ledger: {
    ...headerMatcherLedger,
    "envoy.extensions.filters.http.health_check.v3.HealthCheck": [
      "pass_through_mode",
      "cache_time",
      "headers",
    ],
  },
  create(config, context) {
    if (config.passThroughMode === undefined) throw new Error("HealthCheck: pass_through_mode must be set");
    const cacheMs = durationMs(config.cacheTime, 0);
    if (!config.passThroughMode && cacheMs > 0)
      throw new Error("cache_time_ms must not be set when path_through_mode is disabled");
    const settings: Settings = {
      context,
      passThrough: config.passThroughMode,
      cacheMs,
      headers: config.headers.map((each) => new HeaderMatcher(each)),
      cached: { status: 0, until: 0 },
    };
    return (stream) => new HealthCheckFilter(stream, settings);
  },
};

interface Settings {
  readonly context: HttpFilterContext;
  readonly passThrough: boolean;
  readonly cacheMs: number;
  readonly headers: readonly HeaderMatcher[];
  /** The service's last answer on this thread. */
  readonly cached: { status: number; until: number };
}

class HealthCheckFilter implements HttpFilter {
  readonly #stream: FilterStream;
  readonly #settings: Settings;
  #isCheck = false;
  /** The answer is ours, given when the request is complete. */
  #answers = false;

  constructor(stream: FilterStream, settings: Settings) {
    this.#stream = stream;
    this.#settings = settings;
  }

  onRequestHeaders(headers: HeaderMap, end: boolean): Verdict {
    const settings = this.#settings;
    if (!matchesAll(settings.headers, headers)) return "continue";
    this.#isCheck = true;
    this.#answers =
      !settings.passThrough ||
      settings.context.failsHealthChecks() ||
      (settings.cacheMs > 0 && settings.context.clock.now() < settings.cached.until);
    return this.#answers ? this.#answer(end) : "continue";
  }

  onRequestData(_chunk: Buffer, end: boolean): Verdict {
    return this.#answers ? this.#answer(end) : "continue";
  }

  onRequestTrailers(): Verdict {
    return this.#answers ? this.#answer(true) : "continue";
  }

  onResponseHeaders(headers: HeaderMap): Verdict {
    const { context, passThrough, cacheMs, cached } = this.#settings;
    if (this.#isCheck) {
      if (passThrough && !this.#answers && cacheMs > 0) {
        cached.status = headers.status;
        cached.until = context.clock.now() + cacheMs;
      }
      headers.setId(CHECKED_CLUSTER, context.node.cluster);
    }
    if (context.failsHealthChecks()) headers.setId(FAILED, "true");
    return "continue";
  }

  #answer(end: boolean): Verdict {
    if (!end) return "stop";
    const { context, passThrough, cached } = this.#settings;
    if (context.failsHealthChecks()) this.#reply(503, "health_check_failed");
    else if (passThrough) this.#reply(cached.status, "health_check_cached");
    else this.#reply(200, "health_check_ok");
    return "stop";
  }

  #reply(status: number, details: string): void {
    const flags = status === 200 ? 0 : ResponseFlag.FailedLocalHealthCheck;
    this.#stream.sendLocalReply({ status, details, flags });
  }
}
