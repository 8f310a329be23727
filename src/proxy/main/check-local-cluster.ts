import type { Bootstrap } from "../bootstrap.ts";

/** Throws, with Envoy's text, if the cluster of proxies like this one is not among the static ones. */
export function checkLocalCluster({ clusterManager, staticResources }: Bootstrap): void {
  const name = clusterManager?.localClusterName ?? "";
  if (name !== "" && staticResources?.clusters.some((cluster) => cluster.name === name) !== true)
    throw new Error(`local cluster '${name}' must be defined`);
}
