import { SourceState, type Hold, type HoldOptions, type SourceHealth } from "./hold.ts";
import { endpointAddress, type Catalog, type Endpoint, type Reading, type SourcedEndpoint } from "./model.ts";

/** How one source stands, for the API and metrics. */
export interface SourceReport extends SourceHealth {
  readonly name: string;
  readonly services: number;
  readonly endpoints: number;
  readonly holds: readonly Hold[];
}

/** What a catalog looks like on disk. */
export type SavedCatalog = Readonly<Record<string, Readonly<Record<string, readonly Endpoint[]>>>>;

/**
 * All sources merged: the union of their endpoints per service; of two sources that name the same address, the one
 * named first on the command line speaks. `onChange` runs after the merged catalog changed.
 */
export class CatalogStore {
  readonly #states: readonly SourceState[];
  readonly #onChange: () => void;
  #catalog: Catalog = new Map();

  constructor(names: readonly string[], options: HoldOptions | undefined, onChange: () => void) {
    this.#states = names.map((name) => new SourceState(name, options));
    this.#onChange = onChange;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** Whether every source has been read, so that the catalog is whole. */
  get synced(): boolean {
    return this.#states.every((state) => state.synced);
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

  apply(source: string, reading: Reading, now: number): Hold[] {
    const state = this.#states.find((each) => each.name === source)!;
    const before = new Set(state.holds.map((hold) => hold.service));
    const firstSync = !state.synced;
    if (state.apply(reading, now) || (firstSync && state.synced)) this.#merge();
    return state.holds.filter((hold) => !before.has(hold.service));
  }

  expireHolds(now: number): void {
    let changed = false;
    for (const state of this.#states) changed = state.expire(now) || changed;
    if (changed) this.#merge();
  }

  save(): SavedCatalog {
    return Object.fromEntries(this.#states.map((state) => [state.name, Object.fromEntries(state.services)]));
  }

  /** Takes what was saved, for sources that were not read yet. */
  restore(saved: SavedCatalog): void {
    for (const state of this.#states) {
      const services = saved[state.name];
      if (services !== undefined) state.restore(new Map(Object.entries(services)));
    }
    this.#merge();
  }

  #merge(): void {
    const merged = new Map<string, Map<string, SourcedEndpoint>>();
    for (const state of this.#states) {
      for (const [service, endpoints] of state.services) {
        let all = merged.get(service);
        if (all === undefined) merged.set(service, (all = new Map()));
        for (const endpoint of endpoints) {
          const address = endpointAddress(endpoint);
          if (!all.has(address)) all.set(address, { ...endpoint, source: state.name });
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
}
