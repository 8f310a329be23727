import type { Counter, Gauge, StatScope } from "../../../stats/stat-store.ts";
import { HOST_FAILED, HOST_FIELDS, HOST_WORDS, type HostSpec } from "../../link.ts";

/** Stats about the hosts of one cluster, kept by the main thread. */
export class MembershipStats {
  readonly #change: Counter;
  readonly #noRebuild: Counter;
  readonly #total: Gauge;
  readonly #healthy: Gauge;
  readonly #degraded: Gauge;
  readonly #maxWeight: Gauge;

  readonly #dynamic: boolean;
  readonly #hostStates: Int32Array;

  /** @param dynamic hosts come from EDS or DNS */
  constructor(scope: StatScope, dynamic: boolean, hostStates: Int32Array) {
    this.#dynamic = dynamic;
    this.#hostStates = hostStates;
    this.#change = scope.counter("membership_change");
    this.#noRebuild = scope.counter("update_no_rebuild");
    this.#total = scope.gauge("membership_total");
    this.#healthy = scope.gauge("membership_healthy");
    this.#degraded = scope.gauge("membership_degraded");
    this.#maxWeight = scope.gauge("max_host_weight");
  }

  /** Counts new hosts. */
  update(hosts: readonly HostSpec[], membershipChanged: boolean): void {
    if (membershipChanged) this.#change.inc();
    this.#total.set(hosts.length);
    this.refreshHealth(hosts);
    // Envoy keeps it for clusters whose hosts may change.
    if (this.#dynamic) this.#maxWeight.set(hosts.reduce((most, host) => Math.max(most, host.weight), 0));
  }

  /** Counts what of the hosts can be used. */
  refreshHealth(hosts: readonly HostSpec[]): void {
    let [healthy, degraded] = [0, 0];
    for (const { slot, health } of hosts) {
      const failed = Atomics.load(this.#hostStates, slot * HOST_WORDS + HOST_FIELDS.failed);
      if ((failed & ~HOST_FAILED.degraded) !== 0) continue;
      if (health === "healthy" && failed === 0) healthy++;
      else if (health === "healthy" || health === "degraded") degraded++;
    }
    this.#healthy.set(healthy);
    this.#degraded.set(degraded);
  }

  /** An update said what is known already. */
  unchanged(): void {
    this.#noRebuild.inc();
  }
}
