import type { HeaderMap } from "../../../http/header-map.ts";
import { knownHeaderId } from "../../../http/header-name.ts";
import { durationMs } from "../../../proto/duration.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { Runtime } from "../../../proxy/api.ts";
import { HeaderMatcher, matchesAll } from "../../../proxy/matcher/header-matcher.ts";

type Percentage = Messages["envoy.type.v3.FractionalPercent"];

const NODE = knownHeaderId("x-envoy-downstream-service-node");
const DENOMINATORS = [100, 10_000, 1_000_000];
const ABORT_HEADER = "x-envoy-fault-abort-request";
const ABORT_GRPC_HEADER = "x-envoy-fault-abort-grpc-request";
const ABORT_PERCENTAGE_HEADER = "x-envoy-fault-abort-request-percentage";
const DELAY_HEADER = "x-envoy-fault-delay-request";
const DELAY_PERCENTAGE_HEADER = "x-envoy-fault-delay-request-percentage";

/** How a request is aborted. */
export interface Abort {
  readonly status: number;
  /** -1 = the one that goes with the status. */
  readonly grpcStatus: number;
}

/** What a filter or a route says about faults. */
export class FaultSettings {
  readonly body: string;
  readonly clusterStats: boolean;
  readonly #config: Messages["envoy.extensions.filters.http.fault.v3.HTTPFault"];
  readonly #headers: readonly HeaderMatcher[];
  readonly #nodes: ReadonlySet<string>;

  /** Refuses a status or a delay that is none. */
  constructor(config: Messages["envoy.extensions.filters.http.fault.v3.HTTPFault"]) {
    const { abort } = config;
    if (abort !== undefined && abort.errorType.case === undefined)
      throw new Error("FaultAbort: http_status, grpc_status or header_abort must be set");
    this.#config = config;
    this.#headers = config.headers.map((each) => new HeaderMatcher(each));
    this.#nodes = new Set(config.downstreamNodes);
    this.body = abort === undefined || abort.responseBody === "" ? "fault filter abort" : abort.responseBody;
    this.clusterStats = !config.disableDownstreamClusterStats;
  }

  /** Whether a request to `cluster` is one that may get a fault. */
  concerns(headers: HeaderMap, cluster: string): boolean {
    const { upstreamCluster } = this.#config;
    if (upstreamCluster !== "" && upstreamCluster !== cluster) return false;
    if (!matchesAll(this.#headers, headers)) return false;
    return this.#nodes.size === 0 || this.#nodes.has(headers.getId(NODE) ?? "");
  }

  maxActive(runtime: Runtime): number {
    const { maxActiveFaults, maxActiveFaultsRuntime } = this.#config;
    const key = maxActiveFaultsRuntime || "fault.http.max_active_faults";
    return runtime.number(key, maxActiveFaults ?? Number.POSITIVE_INFINITY);
  }

  /** Milliseconds by which this request is delayed; 0 = not at all. Throws the dice. */
  delay(headers: HeaderMap, runtime: Runtime): number {
    const { delay, delayPercentRuntime, delayDurationRuntime } = this.#config;
    if (delay === undefined) return 0;
    const byHeader = delay.faultDelaySecifier.case === "headerDelay";
    const asked = byHeader ? numberIn(headers, DELAY_HEADER) : 0;
    if (asked < 0) return 0;
    const key = delayPercentRuntime || "fault.http.delay.fixed_delay_percent";
    const share = byHeader ? numberIn(headers, DELAY_PERCENTAGE_HEADER) : -1;
    if (!happens(delay.percentage, share, key, runtime)) return 0;
    if (delay.faultDelaySecifier.case !== "fixedDelay") return asked;
    const fixed = durationMs(delay.faultDelaySecifier.value, 0);
    return runtime.number(delayDurationRuntime || "fault.http.delay.fixed_duration_ms", fixed);
  }

  /** How this request is aborted, if it is. Throws the dice. */
  abort(headers: HeaderMap, runtime: Runtime): Abort | undefined {
    const { abort, abortPercentRuntime, abortHttpStatusRuntime, abortGrpcStatusRuntime } = this.#config;
    if (abort === undefined) return undefined;
    const { errorType } = abort;
    const byHeader = errorType.case === "headerAbort";
    const asked = byHeader ? askedAbort(headers) : undefined;
    if (byHeader && asked === undefined) return undefined;
    const key = abortPercentRuntime || "fault.http.abort.abort_percent";
    const share = byHeader ? numberIn(headers, ABORT_PERCENTAGE_HEADER) : -1;
    if (!happens(abort.percentage, share, key, runtime)) return undefined;
    if (errorType.case === "httpStatus") {
      const status = runtime.number(
        abortHttpStatusRuntime || "fault.http.abort.http_status",
        errorType.value,
      );
      return { status, grpcStatus: -1 };
    }
    if (errorType.case !== "grpcStatus") return asked;
    const grpcStatus = runtime.number(
      abortGrpcStatusRuntime || "fault.http.abort.grpc_status",
      errorType.value,
    );
    return { status: 200, grpcStatus };
  }
}

function askedAbort(headers: HeaderMap): Abort | undefined {
  const status = numberIn(headers, ABORT_HEADER);
  if (status >= 200 && status < 600) return { status, grpcStatus: -1 };
  const grpcStatus = numberIn(headers, ABORT_GRPC_HEADER);
  return grpcStatus >= 0 ? { status: 200, grpcStatus } : undefined;
}

/** A request's own share may lower the configured one. */
function happens(percentage: Percentage | undefined, share: number, key: string, runtime: Runtime): boolean {
  const numerator = percentage?.numerator ?? 0;
  const denominator = DENOMINATORS[percentage?.denominator ?? 0] ?? 100;
  return runtime.fraction(key, share >= 0 ? Math.min(share, numerator) : numerator, denominator);
}

function numberIn(headers: HeaderMap, name: string): number {
  const text = headers.get(name);
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : -1;
}
