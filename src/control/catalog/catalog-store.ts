import { isIP } from "node:net";
import { SourceState, type Hold, type HoldChange, type HoldOptions, type SourceHealth } from "./hold.ts";
import {
  endpointAddress,
  SERVICE_NAME,
  type Catalog,
  type Endpoint,
  type Reading,
  type SourcedEndpoint,
} from "../model.ts";
import type { SourceLog } from "./source.ts";
import { mergeParts, type MergeRule, type SourcePart } from "./source-merge.ts";

/** A source and how it stands beside the others. */
export interface CatalogSource {
  readonly name: string;
  readonly rule: MergeRule;
}

/** How one source stands, for the API and metrics. */
export interface SourceReport extends SourceHealth {
  readonly name: string;
  readonly services: number;
  readonly endpoints: number;
  readonly holds: readonly Hold[];
}

/** What one source says of one service, and what becomes of it. */
export interface SourceTrace {
  readonly source: string;
  readonly rule: MergeRule;
  /** As the source says it; undefined when it does not name the service. */
  readonly reported: readonly Endpoint[] | undefined;
  /** As it is believed; undefined when the service is not known by this source. */
  readonly believed: readonly Endpoint[] | undefined;
  readonly hold: Hold | undefined;
}

/** What a catalog looks like on disk. */
export type SavedCatalog = Readonly<Record<string, Readonly<Record<string, readonly Endpoint[]>>>>;

/** Clusters that views add of their own; no service may take their names. */
const RESERVED: ReadonlySet<string> = new Set(["local_app", "weft_auth", "weft_control"]);

/**
 * All sources merged, service by service (source-merge.ts). What no proxy would take is left out and logged, so that one
 * bad name cannot spoil the rest. A reading costs what it changes: `onChange` gets the names of the services that are
 * not as they were, none when only a source became known.
 */
export class CatalogStore {
  readonly #states: readonly SourceState[];
  readonly #rules: ReadonlyMap<string, MergeRule>;
  readonly #log: SourceLog;
  readonly #onChange: (services: ReadonlySet<string>) => void;
  readonly #warned = new Set<string>();
  /** The spellings of each name that sources use, by its lower-case form. */
  readonly #spellings = new Map<string, Set<string>>();
  #catalog = new Map<string, readonly SourcedEndpoint[]>();

  constructor(
    sources: readonly CatalogSource[],
    holdOptions: ((service: string) => HoldOptions) | undefined,
    log: SourceLog,
    onChange: (services: ReadonlySet<string>) => void,
  ) {
    this.#states = sources.map(({ name }) => new SourceState(name, holdOptions));
    this.#rules = new Map(sources.map(({ name, rule }) => [name, rule]));
    this.#log = log;
    this.#onChange = onChange;
  }

  /** In the order of names. It changes in place. */
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

  /** What each source says of a service. */
  trace(service: string): SourceTrace[] {
    return this.#states.map((state) => ({
      source: state.name,
      rule: this.#rules.get(state.name)!,
      reported: state.reported(service),
      believed: state.services.get(service),
      hold: state.hold(service),
    }));
  }

  /** Every service that any source names, also those that proxies are not told of. */
  get knownServices(): string[] {
    return [...new Set(this.#states.flatMap(({ services }) => [...services.keys()]))].sort();
  }

  /** Why proxies are not told of a service; undefined when they are, or when no source knows it. */
  refusal(service: string): string | undefined {
    const spellings = this.#spellings.get(service.toLowerCase());
    return spellings?.has(service) === true ? nameProblem(service, spellings) : undefined;
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
    const names = new Set<string>();
    for (const state of this.#states) {
      const services = saved[state.name];
      if (services === undefined) continue;
      state.restore(new Map(Object.entries(services)));
      for (const name of state.services.keys()) names.add(name);
    }
    this.#merge(names);
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
    if (changed.size > 0 || force) this.#merge(changed);
  }

  #merge(names: ReadonlySet<string>): void {
    let added = false;
    const affected = new Set(names);
    for (const name of affected) this.#spell(name, affected);
    for (const name of affected) {
      const endpoints = this.#mergeService(name);
      if (endpoints === undefined) this.#catalog.delete(name);
      else {
        added ||= !this.#catalog.has(name);
        this.#catalog.set(name, endpoints);
      }
    }
    if (added) this.#catalog = new Map([...this.#catalog].sort(([a], [b]) => (a < b ? -1 : 1)));
    this.#onChange(affected);
  }

  /** Undefined when no source knows the service, or its name is not one. */
  #mergeService(service: string): SourcedEndpoint[] | undefined {
    const knowing = this.#states.filter((state) => state.services.has(service));
    if (knowing.length === 0) return undefined;
    const reason = nameProblem(service, this.#spellings.get(service.toLowerCase())!);
    if (reason !== undefined) {
      for (const { name } of knowing) this.#leaveOut(`service "${service}" of source ${name}`, reason);
      return undefined;
    }
    return mergeParts(
      knowing.map((state): SourcePart => {
        const endpoints = this.#usable(service, state.services.get(service)!);
        return { source: state.name, rule: this.#rules.get(state.name)!, endpoints };
      }),
    );
  }

  /** Notes whether a spelling is in use; when that changes, all others of the name are affected. */
  #spell(service: string, affected: Set<string>): void {
    const lower = service.toLowerCase();
    const used = this.#states.some((state) => state.services.has(service));
    const spellings = this.#spellings.get(lower) ?? new Set();
    if (spellings.has(service) === used) return;
    if (used) spellings.add(service);
    else spellings.delete(service);
    for (const other of spellings) affected.add(other);
    if (spellings.size === 0) this.#spellings.delete(lower);
    else this.#spellings.set(lower, spellings);
  }

  #usable(service: string, endpoints: readonly Endpoint[]): readonly Endpoint[] {
    return endpoints.filter((endpoint) => {
      if (isIP(endpoint.ip) !== 0 && endpoint.port > 0 && endpoint.port < 65_536) return true;
      this.#leaveOut(
        `endpoint ${endpointAddress(endpoint)} of ${service}`,
        "it is not an IP address and a port",
      );
      return false;
    });
  }

  #leaveOut(what: string, reason: string): void {
    const text = `leaving out ${what}: ${reason}`;
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    this.#log.warn(text);
  }
}

function nameProblem(service: string, spellings: ReadonlySet<string>): string | undefined {
  if (!SERVICE_NAME.test(service)) return "a name has letters, digits, dots, hyphens and underscores";
  if (RESERVED.has(service)) return "the name is taken by a cluster of the control plane itself";
  // Names are host names to callers, and those do not know upper and lower case. Every replica chooses the same.
  const [first] = [...spellings].sort();
  return first === service ? undefined : `it differs from "${first}" in upper and lower case only`;
}
