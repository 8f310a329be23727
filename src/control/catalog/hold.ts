// The safety core: a reading never takes the last endpoints of a service away merely because its source blinked.
import {
  endpointAddress,
  sameEndpoints,
  type Endpoint,
  type Reading,
  type ServiceReading,
} from "../model.ts";

export interface HoldOptions {
  /** How long a service that vanished or lost all endpoints is held, in milliseconds; Infinity = until confirmed, 0 = not. */
  readonly maxHoldMs: number;
  /** How long the loss of a part is held, in milliseconds: what is left carries the traffic meanwhile and after. */
  readonly partialHoldMs: number;
  /** How long a service without endpoints stays known after its source forgot it, in milliseconds. */
  readonly forgetMs: number;
  /** A service that loses more than this share of its endpoints at once, unconfirmed, is held (0 to 1). */
  readonly maxLossShare: number;
  /** Losses of fewer endpoints than this are never held, unless they empty the service. */
  readonly minLoss: number;
}

export const defaultHoldOptions: HoldOptions = {
  maxHoldMs: Number.POSITIVE_INFINITY,
  partialHoldMs: 300_000,
  forgetMs: 300_000,
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
  /** When it is let go unless the source changes its mind, wall clock, milliseconds; Infinity = never. */
  readonly until: number;
}

/** What one reading or the passing of time did. */
export interface HoldChange {
  /** Services whose endpoints changed, or that came or went. */
  readonly changed: ReadonlySet<string>;
  readonly begun: readonly Hold[];
  readonly ended: readonly Hold[];
}

/** How one source stands. */
export interface SourceHealth {
  readonly lastAttempt: number;
  readonly lastSuccess: number;
  readonly error: string;
}

const NONE: ReadonlySet<string> = new Set();

interface OpenHold {
  readonly hold: Hold;
  /** What the source says and is not believed; undefined when it says nothing of the service. */
  readonly pending: ServiceReading | undefined;
}

/** The endpoints of one source after holds. Pure but for the time it is given. */
export class SourceState {
  readonly name: string;
  readonly #optionsOf: (service: string) => HoldOptions;
  #services = new Map<string, readonly Endpoint[]>();
  #holds = new Map<string, OpenHold>();
  #health: SourceHealth = { lastAttempt: 0, lastSuccess: 0, error: "" };

  /** @param optionsOf the bounds of a service's holds, as they are at the moment */
  constructor(name: string, optionsOf: (service: string) => HoldOptions = () => defaultHoldOptions) {
    this.name = name;
    this.#optionsOf = optionsOf;
  }

  get services(): ReadonlyMap<string, readonly Endpoint[]> {
    return this.#services;
  }

  /** What the source itself says of a service, believed or not; undefined when it says nothing. */
  reported(service: string): readonly Endpoint[] | undefined {
    const open = this.#holds.get(service);
    return open === undefined ? this.#services.get(service) : open.pending?.endpoints;
  }

  hold(service: string): Hold | undefined {
    return this.#holds.get(service)?.hold;
  }

  get holds(): Hold[] {
    return Array.from(this.#holds.values(), ({ hold }) => hold);
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

  /** Takes a reading. */
  apply(reading: Reading, now: number): HoldChange {
    if (reading.kind === "error") {
      this.#health = { ...this.#health, lastAttempt: now, error: reading.error };
      return { changed: NONE, begun: [], ended: [] };
    }
    this.#health = { lastAttempt: now, lastSuccess: now, error: reading.incomplete ?? "" };
    const before = this.#services;
    const heldBefore = this.#holds;
    this.#services = new Map();
    this.#holds = new Map();
    for (const name of new Set([...before.keys(), ...reading.services.keys()])) {
      const known = before.get(name) ?? [];
      const reported = reading.services.get(name);
      if (reported === undefined && reading.deleted?.has(name)) continue;
      const doubt = doubtOf(known, reported, this.#optionsOf(name));
      if (doubt !== undefined && doubt.limitMs > 0)
        this.#hold(name, known, reported, doubt, heldBefore.get(name)?.hold.since ?? now);
      else if (reported !== undefined) {
        // The old list where nothing changed, so that who keeps something by it need not look.
        const { endpoints } = reported;
        this.#services.set(name, sameEndpoints(known, endpoints) ? known : endpoints);
      }
    }
    return {
      changed: differences(before, this.#services),
      begun: this.holds.filter(({ service }) => !heldBefore.has(service)),
      ended: Array.from(heldBefore.values(), ({ hold }) => hold).filter(
        ({ service }) => !this.#holds.has(service),
      ),
    };
  }

  /** Lets go of holds that lasted long enough. */
  expire(now: number): HoldChange {
    const ended = this.holds.filter(({ until }) => now >= until);
    for (const { service } of ended) this.release(service);
    return { changed: new Set(ended.map(({ service }) => service)), begun: [], ended };
  }

  /** Believes the source about a held service at once. Undefined when it is not held. */
  release(service: string): HoldChange | undefined {
    const open = this.#holds.get(service);
    if (open === undefined) return undefined;
    const { hold, pending } = open;
    this.#holds.delete(service);
    // A service whose endpoints are gone stays known for a while: proxies are answered "empty" rather than nothing.
    if (pending === undefined && hold.kept === 0) this.#services.delete(service);
    else this.#services.set(service, pending?.endpoints ?? []);
    return { changed: new Set([service]), begun: [], ended: [hold] };
  }

  #hold(
    service: string,
    known: readonly Endpoint[],
    reported: ServiceReading | undefined,
    { reason, limitMs }: Doubt,
    since: number,
  ): void {
    const kept = merge(known, reported?.endpoints ?? []);
    this.#services.set(service, kept);
    const hold = {
      service,
      reason,
      since,
      until: since + limitMs,
      kept: kept.length,
      reported: reported?.endpoints.length ?? 0,
    };
    this.#holds.set(service, { hold, pending: reported });
  }
}

interface Doubt {
  readonly reason: string;
  readonly limitMs: number;
}

/** Why a reading is not believed, and for how long; undefined when it is. */
function doubtOf(
  known: readonly Endpoint[],
  reported: ServiceReading | undefined,
  options: HoldOptions,
): Doubt | undefined {
  if (reported === undefined) {
    const limitMs = known.length === 0 ? options.forgetMs : options.maxHoldMs;
    return { reason: "the service vanished from its source", limitMs };
  }
  const unreadable = reported.unreadable ?? 0;
  if (known.length === 0 || (reported.confirmed && unreadable === 0)) return undefined;
  if (reported.endpoints.length === 0) {
    return { reason: "all endpoints vanished at once", limitMs: options.maxHoldMs };
  }
  const present = new Set(reported.endpoints.map(endpointAddress));
  const lost = known.filter((endpoint) => !present.has(endpointAddress(endpoint))).length;
  if (lost > 0 && unreadable > 0) {
    return {
      reason: `${lost} of ${known.length} endpoints vanished, and ${unreadable} instances make no sense`,
      limitMs: options.partialHoldMs,
    };
  }
  if (lost < options.minLoss || lost / known.length <= options.maxLossShare) return undefined;
  return {
    reason: `${lost} of ${known.length} endpoints vanished at once`,
    limitMs: options.partialHoldMs,
  };
}

/** The known endpoints with what is new or changed in the reading on top. */
function merge(known: readonly Endpoint[], reported: readonly Endpoint[]): Endpoint[] {
  const all = new Map(known.map((endpoint) => [endpointAddress(endpoint), endpoint]));
  for (const endpoint of reported) all.set(endpointAddress(endpoint), endpoint);
  return [...all.values()];
}

/** Names of the services that differ. */
function differences(
  left: ReadonlyMap<string, readonly Endpoint[]>,
  right: ReadonlyMap<string, readonly Endpoint[]>,
): Set<string> {
  const changed = new Set<string>();
  for (const [name, endpoints] of left) {
    const other = right.get(name);
    if (other === undefined || !sameEndpoints(endpoints, other)) changed.add(name);
  }
  for (const name of right.keys()) if (!left.has(name)) changed.add(name);
  return changed;
}
