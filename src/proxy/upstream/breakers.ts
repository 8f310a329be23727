import type { RoutingPriority } from "../api.ts";
import { BREAKER_FIELDS, BREAKER_WORDS } from "../link.ts";
import type { BreakerLimits } from "./cluster-settings.ts";

/** What is limited. */
export type BreakerResource = keyof typeof BREAKER_FIELDS;

/** The circuit breakers of one cluster: counts shared by all threads, limits of this cluster. */
export class Breakers {
  readonly #counts: Int32Array;
  readonly #base: number;
  #limits: readonly [BreakerLimits, BreakerLimits];

  constructor(buffer: SharedArrayBuffer, slot: number, limits: readonly [BreakerLimits, BreakerLimits]) {
    this.#counts = new Int32Array(buffer);
    this.#base = slot * BREAKER_WORDS;
    this.#limits = limits;
  }

  set limits(limits: readonly [BreakerLimits, BreakerLimits]) {
    this.#limits = limits;
  }

  /** Counts one more if there is room. */
  tryAcquire(resource: BreakerResource, priority: RoutingPriority): boolean {
    const index = this.#index(resource, priority);
    if (Atomics.add(this.#counts, index, 1) < this.#limits[priority][resource]) return true;
    Atomics.sub(this.#counts, index, 1);
    return false;
  }

  /** Counts one more, room or not. */
  acquire(resource: BreakerResource, priority: RoutingPriority): void {
    Atomics.add(this.#counts, this.#index(resource, priority), 1);
  }

  release(resource: BreakerResource, priority: RoutingPriority): void {
    Atomics.sub(this.#counts, this.#index(resource, priority), 1);
  }

  #index(resource: BreakerResource, priority: RoutingPriority): number {
    return this.#base + priority * (BREAKER_WORDS / 2) + BREAKER_FIELDS[resource];
  }
}
