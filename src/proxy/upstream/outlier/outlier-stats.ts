import type { Counter, Gauge, StatScope } from "../../../stats/stat-store.ts";
import type { OutlierKind } from "./outlier-settings.ts";

const KINDS: readonly OutlierKind[] = [
  "consecutive_5xx",
  "consecutive_gateway_failure",
  "consecutive_local_origin_failure",
  "success_rate",
  "failure_percentage",
  "local_origin_success_rate",
  "local_origin_failure_percentage",
];

/** `outlier_detection.*` of a cluster. */
export class OutlierStats {
  readonly active: Gauge;
  readonly overflow: Counter;
  readonly enforcedTotal: Counter;
  readonly #detected: Readonly<Record<OutlierKind, Counter>>;
  readonly #enforced: Readonly<Record<OutlierKind, Counter>>;
  // Envoy's names of old, which count what was found of two kinds.
  readonly #total: Counter;
  readonly #found: { readonly consecutive_5xx: Counter; readonly success_rate: Counter };

  /** @param scope of the cluster */
  constructor(scope: StatScope) {
    const own = scope.scope("outlier_detection.");
    const perKind = (prefix: string) =>
      Object.fromEntries(KINDS.map((kind) => [kind, own.counter(`${prefix}${kind}`)])) as never;
    this.active = own.gauge("ejections_active");
    this.overflow = own.counter("ejections_overflow");
    this.enforcedTotal = own.counter("ejections_enforced_total");
    this.#detected = perKind("ejections_detected_");
    this.#enforced = perKind("ejections_enforced_");
    this.#total = own.counter("ejections_total");
    this.#found = {
      consecutive_5xx: own.counter("ejections_consecutive_5xx"),
      success_rate: own.counter("ejections_success_rate"),
    };
  }

  detected(kind: OutlierKind): void {
    this.#detected[kind].inc();
    if (kind === "consecutive_5xx" || kind === "success_rate") this.#found[kind].inc();
  }

  /** It may be ejected, whether or not the share of findings to enforce lets it be. */
  allowed(kind: OutlierKind): void {
    if (kind === "consecutive_5xx" || kind === "success_rate") this.#total.inc();
  }

  enforced(kind: OutlierKind): void {
    this.enforcedTotal.inc();
    this.#enforced[kind].inc();
  }
}
