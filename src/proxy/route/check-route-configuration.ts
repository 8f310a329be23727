import type { Messages } from "../../proto/messages.d.ts";
import { within } from "../../proto/within.ts";
import type { Extensions, FactoryContext } from "../api.ts";
import { compileRouteTable } from "./route-table.ts";

type RouteConfiguration = Messages["envoy.config.route.v3.RouteConfiguration"];

/**
 * Throws an Error with Envoy's text if a worker would refuse the routes. With `knownClusters`, routes to other clusters
 * are refused too, unless validate_clusters is false: pass undefined for routes of RDS that do not set it.
 */
export function checkRouteConfiguration(
  config: RouteConfiguration,
  knownClusters: ReadonlySet<string> | undefined,
  extensions: Extensions,
  factory: FactoryContext,
): void {
  compileRouteTable(config, { extensions, factory });
  if (knownClusters === undefined || config.validateClusters === false) return;
  for (const [i, host] of config.virtualHosts.entries())
    for (const [j, { action }] of host.routes.entries())
      if (action.case === "route")
        within(["virtual_hosts", i, "routes", j, "route"], () => checkClusters(action.value, knownClusters));
}

function checkClusters(
  action: Messages["envoy.config.route.v3.RouteAction"],
  known: ReadonlySet<string>,
): void {
  for (const { cluster } of action.requestMirrorPolicies)
    if (cluster !== "" && !known.has(cluster)) throw new Error(`route: unknown shadow cluster '${cluster}'`);
  const specifier = action.clusterSpecifier;
  if (specifier.case === "cluster" && !known.has(specifier.value))
    throw new Error(`route: unknown cluster '${specifier.value}'`);
  if (specifier.case !== "weightedClusters") return;
  for (const { name } of specifier.value.clusters)
    if (name !== "" && !known.has(name)) throw new Error(`route: unknown weighted cluster '${name}'`);
}
