import type { Resource } from "../xds/resource.ts";
import { loadAssignment } from "./load-assignment.ts";
import { clusterName, type Scope } from "./scope.ts";
import { serviceCluster } from "./service-cluster.ts";

/** All clusters that the scope's routes lead to, and the plain ones of these services, with their endpoints. */
export function serviceResources(scope: Scope, services: readonly string[]): Resource[] {
  for (const service of services) scope.cluster(service);
  return [...scope.used]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([service, versions]) =>
      [...versions].sort().flatMap((version) => one(scope, service, version)),
    );
}

function one(scope: Scope, service: string, version: string): Resource[] {
  const { emit, policy } = scope;
  const endpoints = scope.endpoints(service);
  const name = clusterName(service, version);
  // Settings follow from the policy and the labels of the endpoints.
  const inputs = [policy, endpoints];
  return [
    emit(
      "envoy.config.cluster.v3.Cluster",
      name,
      () => serviceCluster(name, service, scope.settings(service), policy),
      inputs,
    ),
    emit(
      "envoy.config.endpoint.v3.ClusterLoadAssignment",
      name,
      () => loadAssignment(name, service, version, endpoints, scope, scope.settings(service)),
      inputs,
    ),
  ];
}
