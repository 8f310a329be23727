// The safety core: a reading never takes the last endpoints of a service away merely because its source blinked.
import { endpointAddress, type Endpoint, type Reading, type ServiceReading } from "./model.ts";

export interface HoldOptions {
  /** How long an unconfirmed loss is held, in milliseconds; Infinity = until it is confirmed. */
  readonly maxHoldMs: number;
  /** A service that loses more than this share of its endpoints at once, unconfirmed, is held (0 to 1). */
  readonly maxLossShare: number;
  /** Losses of fewer endpoints than this are never held, unless they empty the service. */
  readonly minLoss: number;
}

export const defaultHoldOptions: HoldOptions = {
  maxHoldMs: Number.POSITIVE_INFINITY,
  maxLossShare: 0.5,
  minLoss: 3,
};

/** A loss that is not passed on to the proxies, and why. */
export interface Hold {
  readonly service: string;
  readonly reason: string;
  /** Wall clock, milliseconds. */
  readonly since: number;
  readonly kept: number;
  readonly reported: number;
}

/** How one source stands. */
export interface SourceHealth {
  readonly lastAttempt: number;
  readonly lastSuccess: number;
  readonly error: string;
}

/**
 * The endpoints of one source after holds. Pure but for the time it is given: `apply` each reading, call `expire` now
 * and then; both say whether `services` changed.
 */
export class SourceState {
  readonly name: string;
  readonly #options: HoldOptions;
  #services = new Map<string, readonly Endpoint[]>();
  readonly #holds = new Map<string, Hold & { readonly pending: ServiceReading | undefined }>();
  #health: SourceHealth = { lastAttempt: 0, lastSuccess: 0, error: "" };

  constructor(name: string, options: HoldOptions = defaultHoldOptions) {
    this.name = name;
    this.#options = options;
  }

  get services(): ReadonlyMap<string, readonly Endpoint[]> {
    return this.#services;
  }

  get holds(): Hold[] {
    return [...this.#holds.values()];
  }

  get health(): SourceHealth {
    return this.#health;
  }

  /** Whether the source was read at least once. */
  get synced(): boolean {
    return this.#health.lastSuccess > 0;
  }

  /** Takes what an earlier run knew, until the source is read. */
  restore(services: ReadonlyMap<string, readonly Endpoint[]>): void {
    if (!this.synced) this.#services = new Map(services);
  }

  apply(reading: Reading, now: number): boolean {
    if (reading.kind === "error") {
      this.#health = { ...this.#health, lastAttempt: now, error: reading.error };
      return false;
    }
    this.#health = { lastAttempt: now, lastSuccess: now, error: "" };
    const before = this.#services;
    const next = new Map<string, readonly Endpoint[]>();
    for (const name of new Set([...before.keys(), ...reading.services.keys()])) {
      const kept = this.#decide(name, before.get(name), reading.services.get(name), now);
      if (kept !== undefined) next.set(name, kept);
    }
    this.#services = next;
    return !sameServices(before, next);
  }

  /** Lets go of holds that lasted long enough. */
  expire(now: number): boolean {
    let changed = false;
    for (const hold of this.#holds.values()) {
      if (now - hold.since < this.#options.maxHoldMs) continue;
      this.#holds.delete(hold.service);
      // A service whose endpoints are all gone stays known, so that proxies are answered "empty" rather than nothing.
      this.#services.set(hold.service, hold.pending?.endpoints ?? []);
      changed = true;
    }
    return changed;
  }

  #decide(
    service: string,
    known: readonly Endpoint[] | undefined,
    reported: ServiceReading | undefined,
    now: number,
  ): readonly Endpoint[] | undefined {
    const reason = suspicion(known ?? [], reported, this.#options);
    if (reason === undefined) {
      this.#holds.delete(service);
      return reported?.endpoints ?? known;
    }
    const since = this.#holds.get(service)?.since ?? now;
    const kept = merge(known ?? [], reported?.endpoints ?? []);
    const count = reported?.endpoints.length ?? 0;
    this.#holds.set(service, {
      service,
      reason,
      since,
      kept: kept.length,
      reported: count,
      pending: reported,
    });
    return kept;
  }
}

/** Why a reading is not believed; undefined when it is. */
function suspicion(
  known: readonly Endpoint[],
  reported: ServiceReading | undefined,
  options: HoldOptions,
): string | undefined {
  if (known.length === 0 || reported?.confirmed === true) return undefined;
  if (reported === undefined) return "the service vanished from its source";
  const present = new Set(reported.endpoints.map(endpointAddress));
  const lost = known.filter((endpoint) => !present.has(endpointAddress(endpoint))).length;
  if (reported.endpoints.length === 0) return "all endpoints vanished at once";
  if (lost >= options.minLoss && lost / known.length > options.maxLossShare) {
    return `${lost} of ${known.length} endpoints vanished at once`;
  }
  return undefined;
}

/** The known endpoints with what is new or changed in the reading on top. */
function merge(known: readonly Endpoint[], reported: readonly Endpoint[]): Endpoint[] {
  const all = new Map(known.map((endpoint) => [endpointAddress(endpoint), endpoint]));
  for (const endpoint of reported) all.set(endpointAddress(endpoint), endpoint);
  return [...all.values()];
}

function sameServices(
  left: ReadonlyMap<string, readonly Endpoint[]>,
  right: ReadonlyMap<string, readonly Endpoint[]>,
): boolean {
  if (left.size !== right.size) return false;
  for (const [name, endpoints] of left) {
    const other = right.get(name);
    if (other === undefined || JSON.stringify(sorted(endpoints)) !== JSON.stringify(sorted(other)))
      return false;
  }
  return true;
}

function sorted(endpoints: readonly Endpoint[]): Endpoint[] {
  return endpoints.toSorted((a, b) => (endpointAddress(a) < endpointAddress(b) ? -1 : 1));
}
