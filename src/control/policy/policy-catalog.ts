import type { Catalog, SourcedEndpoint } from "../model.ts";
import type { MeshPolicy } from "./mesh-policy.ts";
import { BUILT_IN_VIEWS } from "./view-settings.ts";

/** A catalog of all services that a policy names, each with one instance of every version: for checks without sources. */
export function policyCatalog(policy: MeshPolicy): Catalog {
  const services = new Map<string, Set<string>>();
  const know = (service: string | undefined, ...versions: (string | undefined)[]) => {
    if (service === undefined) return;
    let all = services.get(service);
    if (all === undefined) services.set(service, (all = new Set()));
    for (const version of versions) if (version !== undefined) all.add(version);
  };
  for (const edge of [policy.edge, ...policy.views.flatMap((view) => view.edge ?? [])]) {
    for (const { service, version, split, mirror } of edge.routes) {
      know(service, version, ...Object.keys(split ?? {}));
      know(mirror?.service ?? service, mirror?.version);
    }
    for (const { service } of edge.tcp) know(service);
    know(edge.hosts?.default);
  }
  for (const [service, { split, routes, mirror }] of Object.entries(policy.services)) {
    know(service, ...Object.keys(split ?? {}));
    know(mirror?.service ?? service, mirror?.version);
    for (const each of routes ?? []) {
      know(service, each.version, ...Object.keys(each.split ?? {}));
      know(each.mirror?.service ?? service, each.mirror?.version);
    }
  }
  const views = new Set<string>([...BUILT_IN_VIEWS, ...policy.views.map(({ name }) => name)]);
  for (const { callers } of Object.values(policy.services))
    for (const caller of callers ?? []) if (!caller.includes("*") && !views.has(caller)) know(caller);
  const regions = Object.keys(policy.regions);
  return new Map(
    [...services]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([service, versions]) => [service, endpoints([...versions], regions)]),
  );
}

function endpoints(versions: readonly string[], regions: readonly string[]): SourcedEndpoint[] {
  let port = 1;
  return (versions.length === 0 ? [""] : versions).flatMap((version) =>
    (regions.length === 0 ? [""] : regions).map((region) => ({
      ip: "192.0.2.1",
      port: port++,
      weight: 1,
      region,
      zone: "",
      version,
      health: "healthy" as const,
      metadata: {},
      source: "policy",
    })),
  );
}
