import type { Counter, Gauge, StatScope } from "../../../stats/stat-store.ts";

/** `health_check.*` of a cluster. */
export class HealthStats {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly passiveFailure: Counter;
  readonly networkFailure: Counter;
  readonly healthy: Gauge;
  readonly degraded: Gauge;

  /** @param scope of the cluster */
  constructor(scope: StatScope) {
    const own = scope.scope("health_check.");
    this.attempt = own.counter("attempt");
    this.success = own.counter("success");
    this.failure = own.counter("failure");
    this.passiveFailure = own.counter("passive_failure");
    this.networkFailure = own.counter("network_failure");
    own.counter("verify_cluster");
    this.healthy = own.gauge("healthy");
    this.degraded = own.gauge("degraded");
  }
}
