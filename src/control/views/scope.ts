import type { Catalog, SourcedEndpoint } from "../model.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import { matchesGlob } from "../policy/name-glob.ts";
import { settingsFor, type EffectiveSettings } from "../policy/settings-for.ts";
import type { Emit } from "./view.ts";

/** Where a node is. */
export interface Place {
  readonly region: string;
  readonly zone: string;
}

/** What clients of one kind get otherwise than the policy says, because they cannot take it. */
export interface ClientLimits {
  /** What of a service's settings they can take. */
  settings(settings: EffectiveSettings): EffectiveSettings;
}

export interface ScopeOptions {
  readonly catalog: Catalog;
  readonly policy: MeshPolicy;
  readonly emit: Emit;
  readonly place: Place;
  /** Only endpoints of the place's own region. */
  readonly ownRegionOnly?: boolean | undefined;
  readonly limits?: ClientLimits | undefined;
}

const NO_ENDPOINTS: readonly SourcedEndpoint[] = [];

/** For whom resources are made, and from what. Notes which clusters routes lead to, so that the view has them. */
export class Scope {
  readonly catalog: Catalog;
  readonly policy: MeshPolicy;
  readonly emit: Emit;
  readonly place: Place;
  readonly ownRegionOnly: boolean;
  /** Clusters that something leads to: service, then version; "" is all instances. */
  readonly used = new Map<string, Set<string>>();
  readonly #limits: ClientLimits | undefined;

  constructor(options: ScopeOptions) {
    this.catalog = options.catalog;
    this.policy = options.policy;
    this.emit = options.emit;
    this.place = options.place;
    this.ownRegionOnly = options.ownRegionOnly ?? false;
    this.#limits = options.limits;
  }

  endpoints(service: string): readonly SourcedEndpoint[] {
    return this.catalog.get(service) ?? NO_ENDPOINTS;
  }

  settings(service: string): EffectiveSettings {
    const settings = settingsFor(this.policy, service, this.endpoints(service));
    return this.#limits?.settings(settings) ?? settings;
  }

  /** All services of the catalog, and those that only other regions have. */
  services(): string[] {
    const elsewhere = Object.values(this.policy.regions)
      .flatMap((region) => region.services)
      .filter((name) => !this.catalog.has(name));
    return elsewhere.length === 0
      ? [...this.catalog.keys()]
      : [...new Set([...this.catalog.keys(), ...elsewhere])].sort();
  }

  /** Services that a caller may know of; it is the name of a service or of a view. */
  servicesFor(caller: string): string[] {
    return this.services().filter((service) => mayCall(caller, service, this.settings(service)));
  }

  /** Name of the cluster of a service, or of one of its versions. */
  cluster(service: string, version = ""): string {
    let versions = this.used.get(service);
    if (versions === undefined) this.used.set(service, (versions = new Set()));
    versions.add(version);
    return clusterName(service, version);
  }
}

/** The part after @ is a version; names of services have no @. */
export function clusterName(service: string, version: string): string {
  return version === "" ? service : `${service}@${version}`;
}

/** The service and version that a cluster is of; "" for all versions, and for clusters that are not services. */
export function clusterParts(cluster: string): { readonly service: string; readonly version: string } {
  const at = cluster.indexOf("@");
  return at < 0
    ? { service: cluster, version: "" }
    : { service: cluster.slice(0, at), version: cluster.slice(at + 1) };
}

/** Whether the access rules let a caller see a service. A service may always call itself. */
export function mayCall(caller: string, service: string, { callers }: EffectiveSettings): boolean {
  if (callers === undefined || caller === service) return true;
  return callers.some((pattern) => matchesGlob(pattern, caller));
}
