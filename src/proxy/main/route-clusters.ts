// Names of clusters that a route configuration mentions: those of static ones must exist.
import type { MessageOf } from "../../proto/registry.ts";
import { connectionManagers, type ListenerMessage } from "./listener-parts.ts";

type RouteMessage = MessageOf<"envoy.config.route.v3.RouteConfiguration">;

/** Throws Envoy's error if routes inside of a listener lead to a cluster that does not exist. */
export function checkStaticRoutes(listener: ListenerMessage, exists: (cluster: string) => boolean): void {
  for (const { routeSpecifier } of connectionManagers(listener)) {
    if (routeSpecifier.case === "routeConfig") checkRouteClusters(routeSpecifier.value, true, exists);
  }
}

/**
 * Throws Envoy's error for the first unknown cluster.
 * @param byDefault whether to check where validate_clusters is not set: static routes yes, those of RDS no
 */
export function checkRouteClusters(
  routes: RouteMessage,
  byDefault: boolean,
  exists: (cluster: string) => boolean,
): void {
  if (!(routes.validateClusters ?? byDefault)) return;
  for (const name of clustersOf(routes))
    if (!exists(name)) throw new Error(`route: unknown cluster '${name}'`);
}

function* clustersOf(config: RouteMessage): Generator<string> {
  for (const { routes, requestMirrorPolicies } of config.virtualHosts) {
    for (const { cluster } of requestMirrorPolicies) if (cluster !== "") yield cluster;
    for (const { action } of routes) {
      if (action.case !== "route") continue;
      const { clusterSpecifier, requestMirrorPolicies: mirrors } = action.value;
      if (clusterSpecifier.case === "cluster") yield clusterSpecifier.value;
      else if (clusterSpecifier.case === "weightedClusters") {
        for (const { name } of clusterSpecifier.value.clusters) if (name !== "") yield name;
      }
      for (const { cluster } of mirrors) if (cluster !== "") yield cluster;
    }
  }
}
