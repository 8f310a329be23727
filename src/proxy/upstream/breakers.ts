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
  /** By priority and resource, as the counts lie. */
  #limits: readonly number[];

  constructor(counts: SharedCounts, slot: number, limits: readonly [BreakerLimits, BreakerLimits]) {
    this.#counts = counts;
    this.#base = slot * BREAKER_WORDS;
    this.#limits = inOrder(limits);
  }

  set limits(limits: readonly [BreakerLimits, BreakerLimits]) {
    this.#limits = inOrder(limits);
  }

  /** Counts one more if there is room. */
  tryAcquire(resource: BreakerResource, priority: RoutingPriority): boolean {
    const place = placeOf(resource, priority);
    if (this.#counts.inc(this.#base + place) < this.#limits[place]!) return true;
    this.#counts.dec(this.#base + place);
    return false;
  }

  /** Counts one more, room or not. */
  acquire(resource: BreakerResource, priority: RoutingPriority): void {
    this.#counts.inc(this.#base + placeOf(resource, priority));
  }

  release(resource: BreakerResource, priority: RoutingPriority): void {
    this.#counts.dec(this.#base + placeOf(resource, priority));
  }
}

const PER_PRIORITY = BREAKER_WORDS / 2;

/** Compared one by one: looking the name up in an object would cost more than the counting. */
function placeOf(resource: BreakerResource, priority: RoutingPriority): number {
  const first = priority * PER_PRIORITY;
  if (resource === "requests") return first + BREAKER_FIELDS.requests;
  if (resource === "pending") return first + BREAKER_FIELDS.pending;
  return first + (resource === "connections" ? BREAKER_FIELDS.connections : BREAKER_FIELDS.retries);
}

function inOrder(limits: readonly [BreakerLimits, BreakerLimits]): readonly number[] {
  const places = new Array<number>(BREAKER_WORDS).fill(0);
  for (const priority of [0, 1] as const)
    for (const resource of Object.keys(BREAKER_FIELDS) as BreakerResource[])
      places[placeOf(resource, priority)] = limits[priority][resource];
  return places;
}
