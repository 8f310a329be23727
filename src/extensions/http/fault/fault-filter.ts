import { Timer, type TimerOwner } from "../../../base/timer-wheel.ts";
import type { HeaderMap } from "../../../http/header-map.ts";
import { knownHeaderId } from "../../../http/header-name.ts";
import {
  ResponseFlag,
  type FilterStream,
  type HttpFilter,
  type HttpFilterContext,
  type Verdict,
} from "../../../proxy/api.ts";
import type { Counter, Gauge, StatScope } from "../../../stats/stat-store.ts";
import type { FaultSettings } from "./fault-settings.ts";

const CLIENT_CLUSTER = knownHeaderId("x-envoy-downstream-service-cluster");

/** The stats of one fault filter, and the number of its faults under way on this thread. */
export class FaultStats {
  readonly aborts: Counter;
  readonly delays: Counter;
  readonly overflow: Counter;
  readonly activeGauge: Gauge;
  readonly scope: StatScope;
  active = 0;

  /** @param scope "http.<stat_prefix>." */
  constructor(scope: StatScope) {
    this.scope = scope.scope("fault.");
    this.aborts = this.scope.counter("aborts_injected");
    this.delays = this.scope.counter("delays_injected");
    this.overflow = this.scope.counter("faults_overflow");
    this.scope.counter("response_rl_injected");
    this.activeGauge = this.scope.gauge("active_faults");
  }
}

/** Delays and aborts one request as configured. */
export class FaultFilter implements HttpFilter, TimerOwner {
  readonly #stream: FilterStream;
  readonly #stats: FaultStats;
  readonly #context: HttpFilterContext;
  #settings: FaultSettings;
  #timer: Timer | undefined;
  #counted = false;

  constructor(stream: FilterStream, settings: FaultSettings, stats: FaultStats, context: HttpFilterContext) {
    this.#stream = stream;
    this.#settings = settings;
    this.#stats = stats;
    this.#context = context;
  }

  onRequestHeaders(headers: HeaderMap): Verdict {
    const stream = this.#stream;
    const route = stream.perRoute() as FaultSettings | undefined;
    if (route !== undefined) this.#settings = route;
    const settings = this.#settings;
    if (!settings.concerns(headers, stream.route?.clusterName ?? "")) return "continue";
    const { runtime, wheel } = this.#context;
    const delay = settings.delay(headers, runtime);
    if (delay > 0 && this.#begin()) {
      this.#timer = new Timer(this);
      wheel.arm(this.#timer, delay);
      stream.info.setFlag(ResponseFlag.DelayInjected);
      this.#count(this.#stats.delays, "delays_injected");
      return "watermark";
    }
    return this.#aborts(headers) ? "stop" : "continue";
  }

  onTimer(): void {
    if (!this.#aborts(this.#stream.requestHeaders)) this.#stream.continueRequest();
  }

  onDestroy(): void {
    if (this.#timer?.armed === true) this.#context.wheel.disarm(this.#timer);
    if (!this.#counted) return;
    this.#stats.active--;
    this.#stats.activeGauge.dec();
  }

  #aborts(headers: HeaderMap): boolean {
    const abort = this.#settings.abort(headers, this.#context.runtime);
    if (abort === undefined || !this.#begin()) return false;
    this.#count(this.#stats.aborts, "aborts_injected");
    this.#stream.sendLocalReply({
      status: abort.status,
      body: this.#settings.body,
      details: "fault_filter_abort",
      flags: ResponseFlag.FaultInjected,
      grpcStatus: abort.grpcStatus < 0 ? undefined : abort.grpcStatus,
    });
    return true;
  }

  /** Takes a place among the faults under way; false when there is none left. */
  #begin(): boolean {
    const stats = this.#stats;
    if (this.#counted) return true;
    if (stats.active >= this.#settings.maxActive(this.#context.runtime)) {
      stats.overflow.inc();
      return false;
    }
    this.#counted = true;
    stats.active++;
    stats.activeGauge.inc();
    return true;
  }

  #count(counter: Counter, name: string): void {
    counter.inc();
    const client = this.#settings.clusterStats
      ? this.#stream.requestHeaders.getId(CLIENT_CLUSTER)
      : undefined;
    if (client !== undefined && client !== "") this.#stats.scope.counter(`${client}.${name}`).inc();
  }
}
