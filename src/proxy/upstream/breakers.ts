import type { RoutingPriority } from "../api.ts";
import { BREAKER_FIELDS, BREAKER_WORDS } from "../link.ts";
import type { BreakerLimits } from "./cluster-settings.ts";
import type { SharedCounts } from "./shared-counts.ts";

/** What is limited. */
export type BreakerResource = keyof typeof BREAKER_FIELDS;

/** The circuit breakers of one cluster: counts shared by all threads, limits of this cluster. */
export class Breakers {
  readonly #counts: SharedCounts;
  readonly #base: number;
  #limits: readonly [BreakerLimits, BreakerLimits];

  constructor(counts: SharedCounts, slot: number, limits: readonly [BreakerLimits, BreakerLimits]) {
    this.#counts = counts;
    this.#base = slot * BREAKER_WORDS;
    this.#limits = limits;
  }

  set limits(limits: readonly [BreakerLimits, BreakerLimits]) {
    this.#limits = limits;
  }

  /** Counts one more if there is room. */
  tryAcquire(resource: BreakerResource, priority: RoutingPriority): boolean {
    const index = this.#index(resource, priority);
    if (this.#counts.inc(index) < this.#limits[priority][resource]) return true;
    this.#counts.dec(index);
    return false;
  }

  /** Counts one more, room or not. */
  acquire(resource: BreakerResource, priority: RoutingPriority): void {
    this.#counts.inc(this.#index(resource, priority));
  }

  release(resource: BreakerResource, priority: RoutingPriority): void {
    this.#counts.dec(this.#index(resource, priority));
  }

  #index(resource: BreakerResource, priority: RoutingPriority): number {
    return this.#base + priority * (BREAKER_WORDS / 2) + BREAKER_FIELDS[resource];
  }
}
