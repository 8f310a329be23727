import type { HeaderMap } from "../../http/header-map.ts";
import { knownHeaderId } from "../../http/header-name.ts";
import type { Histogram } from "../../stats/histogram.ts";
import type { Counter, StatScope } from "../../stats/stat-store.ts";
import type { Cluster } from "../api.ts";

const CANARY = knownHeaderId("x-envoy-upstream-canary");

/** What the router counts of one cluster. Response codes get their counters when they first occur. */
export class ClusterHandles {
  readonly cluster: Cluster;
  readonly timeout: Counter;
  readonly perTryTimeout: Counter;
  readonly perTryIdleTimeout: Counter;
  readonly maxDurationReached: Counter;
  readonly retry: Counter;
  readonly retrySuccess: Counter;
  readonly retryOverflow: Counter;
  readonly retryLimitExceeded: Counter;
  readonly retryBackoffExponential: Counter;
  readonly retryBackoffRateLimited: Counter;
  readonly retryOrShadowAbandoned: Counter;
  readonly maintenanceMode: Counter;
  readonly maintenanceKey: string;
  readonly pausedReading: Counter;
  readonly resumedReading: Counter;
  readonly backedUp: Counter;
  readonly drained: Counter;
  readonly #all: CodeCounters;
  readonly #internal: CodeCounters;
  readonly #external: CodeCounters;
  readonly #retried: CodeCounters;
  readonly #canary: CodeCounters;

  constructor(cluster: Cluster) {
    const scope = cluster.stats;
    this.cluster = cluster;
    this.timeout = scope.counter("upstream_rq_timeout");
    this.perTryTimeout = scope.counter("upstream_rq_per_try_timeout");
    this.perTryIdleTimeout = scope.counter("upstream_rq_per_try_idle_timeout");
    this.maxDurationReached = scope.counter("upstream_rq_max_duration_reached");
    this.retry = scope.counter("upstream_rq_retry");
    this.retrySuccess = scope.counter("upstream_rq_retry_success");
    this.retryOverflow = scope.counter("upstream_rq_retry_overflow");
    this.retryLimitExceeded = scope.counter("upstream_rq_retry_limit_exceeded");
    this.retryBackoffExponential = scope.counter("upstream_rq_retry_backoff_exponential");
    this.retryBackoffRateLimited = scope.counter("upstream_rq_retry_backoff_ratelimited");
    this.retryOrShadowAbandoned = scope.counter("retry_or_shadow_abandoned");
    this.maintenanceMode = scope.counter("upstream_rq_maintenance_mode");
    this.maintenanceKey = `upstream.maintenance_mode.${cluster.name}`;
    this.pausedReading = scope.counter("upstream_flow_control_paused_reading_total");
    this.resumedReading = scope.counter("upstream_flow_control_resumed_reading_total");
    this.backedUp = scope.counter("upstream_flow_control_backed_up_total");
    this.drained = scope.counter("upstream_flow_control_drained_total");
    this.#all = new CodeCounters(scope, "");
    this.#internal = new CodeCounters(scope, "internal.");
    this.#external = new CodeCounters(scope, "external.");
    this.#retried = new CodeCounters(scope, "retry.");
    this.#canary = new CodeCounters(scope, "canary.");
  }

  /** Counts the answer that a client gets. */
  countResponse(status: number, isInternal: boolean): void {
    this.#all.count(status);
    (isInternal ? this.#internal : this.#external).count(status);
  }

  /** Counts the answer of an upstream, which may call itself a canary. */
  countUpstream(headers: HeaderMap, isInternal: boolean): void {
    this.countResponse(headers.status, isInternal);
    if (headers.hasId(CANARY) && headers.getId(CANARY) === "true") this.#canary.count(headers.status);
  }

  /** Counts an answer that is not passed on because the request is tried again. */
  countRetried(status: number): void {
    this.#retried.count(status);
  }

  /** Milliseconds from the end of the request to the end of the response. */
  recordTime(ms: number, isInternal: boolean): void {
    this.#all.time.record(ms);
    (isInternal ? this.#internal : this.#external).time.record(ms);
  }
}

const handles = new WeakMap<Cluster, ClusterHandles>();

/** The handles of a cluster, made at its first request. */
export function clusterHandles(cluster: Cluster): ClusterHandles {
  let found = handles.get(cluster);
  if (found === undefined) handles.set(cluster, (found = new ClusterHandles(cluster)));
  return found;
}

const FIRST_CODE = 100;
const LAST_CODE = 599;

/** `upstream_rq_<code>`, `upstream_rq_<n>xx`, `upstream_rq_completed` and `upstream_rq_time` below one prefix. */
class CodeCounters {
  readonly #scope: StatScope;
  readonly #prefix: string;
  #byCode: (Counter | undefined)[] | undefined;
  #byClass: (Counter | undefined)[] = [undefined, undefined, undefined, undefined, undefined, undefined];
  #completed: Counter | undefined;
  #time: Histogram | undefined;

  constructor(scope: StatScope, prefix: string) {
    this.#scope = scope;
    this.#prefix = prefix + "upstream_rq_";
  }

  get time(): Histogram {
    return (this.#time ??= this.#scope.histogram(this.#prefix + "time"));
  }

  count(status: number): void {
    this.#completed ??= this.#scope.counter(this.#prefix + "completed");
    this.#completed.inc();
    if (status < FIRST_CODE || status > LAST_CODE) return;
    const byCode = (this.#byCode ??= new Array<Counter | undefined>(LAST_CODE - FIRST_CODE + 1).fill(
      undefined,
    ));
    const index = status - FIRST_CODE;
    (byCode[index] ??= this.#scope.counter(this.#prefix + status)).inc();
    const digit = Math.floor(status / 100);
    (this.#byClass[digit] ??= this.#scope.counter(`${this.#prefix}${digit}xx`)).inc();
  }
}
