import { isIP } from "node:net";
import { SourceState, type Hold, type HoldChange, type HoldOptions, type SourceHealth } from "./hold.ts";
import {
  endpointAddress,
  SERVICE_NAME,
  type Catalog,
  type Endpoint,
  type Reading,
  type SourcedEndpoint,
} from "./model.ts";
import type { SourceLog } from "./source.ts";

/** How one source stands, for the API and metrics. */
export interface SourceReport extends SourceHealth {
  readonly name: string;
  readonly services: number;
  readonly endpoints: number;
  readonly holds: readonly Hold[];
}

/** What a catalog looks like on disk. */
export type SavedCatalog = Readonly<Record<string, Readonly<Record<string, readonly Endpoint[]>>>>;

/** Clusters that views add of their own; no service may take their names. */
const RESERVED: ReadonlySet<string> = new Set(["local_app", "weft_auth", "weft_control"]);

/**
 * All sources merged: the union of their endpoints per service; of two sources that name the same address, the one
 * named first on the command line speaks. What no proxy would take is left out and logged, so that one bad name cannot
 * spoil the rest. `onChange` runs after the merged catalog changed.
 */
export class CatalogStore {
  readonly #states: readonly SourceState[];
  readonly #log: SourceLog;
  readonly #onChange: () => void;
  readonly #warned = new Set<string>();
  #catalog: Catalog = new Map();

  constructor(
    names: readonly string[],
    options: HoldOptions | undefined,
    log: SourceLog,
    onChange: () => void,
  ) {
    this.#states = names.map((name) => new SourceState(name, options));
    this.#log = log;
    this.#onChange = onChange;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** Sources that were never read; none once the catalog is whole. */
  get unread(): string[] {
    return this.#states.filter((state) => !state.synced).map((state) => state.name);
  }

  reports(): SourceReport[] {
    return this.#states.map((state) => ({
      ...state.health,
      name: state.name,
      services: state.services.size,
      endpoints: [...state.services.values()].reduce((sum, list) => sum + list.length, 0),
      holds: state.holds,
    }));
  }

  apply(source: string, reading: Reading, now: number): void {
    const state = this.#states.find((each) => each.name === source)!;
    const firstSync = !state.synced;
    const change = state.apply(reading, now);
    this.#took(state, change, firstSync && state.synced);
  }

  expireHolds(now: number): void {
    for (const state of this.#states) this.#took(state, state.expire(now), false);
  }

  /** Believes all sources about a service that is held. Returns whether one held it. */
  release(service: string): boolean {
    let released = false;
    for (const state of this.#states) {
      const change = state.release(service);
      if (change === undefined) continue;
      released = true;
      this.#took(state, change, false);
    }
    return released;
  }

  save(): SavedCatalog {
    return Object.fromEntries(this.#states.map((state) => [state.name, Object.fromEntries(state.services)]));
  }

  /** Takes what was saved, until the sources are read. Returns whether it speaks for every source. */
  restore(saved: SavedCatalog): boolean {
    for (const state of this.#states) {
      const services = saved[state.name];
      if (services !== undefined) state.restore(new Map(Object.entries(services)));
    }
    this.#merge();
    return this.#states.every((state) => saved[state.name] !== undefined);
  }

  #took({ name }: SourceState, { changed, begun, ended }: HoldChange, force: boolean): void {
    for (const { service, reason, kept, reported } of begun) {
      const what = kept === 0 ? `service ${service}` : `${kept} endpoints of ${service}`;
      this.#log.warn(`holding ${what}: ${reason} (source ${name} reports ${reported})`);
    }
    for (const { service, reason } of ended) {
      this.#log.info(`no longer holding ${service} of source ${name} (${reason})`);
    }
    if (changed || force) this.#merge();
  }

  #merge(): void {
    const merged = new Map<string, Map<string, SourcedEndpoint>>();
    const spelled = new Map<string, string>();
    for (const state of this.#states) {
      for (const [service, endpoints] of state.services) {
        const reason = this.#nameProblem(service, spelled);
        if (reason !== undefined) {
          this.#leaveOut(`service "${service}" of source ${state.name}`, reason);
          continue;
        }
        let all = merged.get(service);
        if (all === undefined) merged.set(service, (all = new Map()));
        for (const endpoint of endpoints) {
          const address = endpointAddress(endpoint);
          if (isIP(endpoint.ip) === 0 || !(endpoint.port > 0 && endpoint.port < 65_536)) {
            this.#leaveOut(`endpoint ${address} of ${service}`, "it is not an IP address and a port");
          } else if (!all.has(address)) all.set(address, { ...endpoint, source: state.name });
        }
      }
    }
    this.#catalog = new Map(
      [...merged]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([service, endpoints]) => [service, [...endpoints.values()]]),
    );
    this.#onChange();
  }

  #nameProblem(service: string, spelled: Map<string, string>): string | undefined {
    if (!SERVICE_NAME.test(service)) return "a name has letters, digits, dots, hyphens and underscores";
    if (RESERVED.has(service)) return "the name is taken by a cluster of the control plane itself";
    const lower = service.toLowerCase();
    const other = spelled.get(lower) ?? service;
    spelled.set(lower, other);
    // Names are host names to callers, and those do not know upper and lower case.
    return other === service ? undefined : `it differs from "${other}" in upper and lower case only`;
  }

  #leaveOut(what: string, reason: string): void {
    const text = `leaving out ${what}: ${reason}`;
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    this.#log.warn(text);
  }
}
