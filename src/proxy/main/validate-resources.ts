import { systemClock } from "../../base/clock.ts";
import type { Path } from "../../proto/path.ts";
import { within } from "../../proto/within.ts";
import type { Logger } from "../api.ts";
import type { LoadedBootstrap } from "../bootstrap.ts";
import type { ProxyOptions } from "../options.ts";
import { checkLocalCluster } from "./check-local-cluster.ts";
import { localIp } from "./local-ip.ts";
import { checkInlineRoutes, listenAddresses } from "./listener-parts.ts";
import { resourceProblem } from "./resource-problem.ts";
import { checkContext, type Parts } from "./parts.ts";
import { RuntimeLayers } from "./runtime-layers.ts";

/** Tries out all static resources without binding, resolving or connecting to anything. Returns what is wrong. */
export function validateResources(
  { bootstrap, source }: LoadedBootstrap,
  options: ProxyOptions,
  parts: Parts,
  logger: (component: string) => Logger,
): string[] {
  const node = bootstrap.node!;
  const checks = parts.checks(
    checkContext({
      clock: systemClock,
      node: { id: node.id, cluster: node.cluster, zone: node.locality?.zone ?? "" },
      localIp: localIp(options.localAddressIpVersion),
      logger,
    }),
  );
  const none = { clusters: [], listeners: [], secrets: [] };
  const { clusters, listeners, secrets } = bootstrap.staticResources ?? none;
  const names = new Set(clusters.map(({ name }) => name));
  const problems: string[] = [];
  const attempt = (path: Path, what: () => unknown): void => {
    try {
      within(path, what);
    } catch (error) {
      problems.push(resourceProblem(error as Error, source));
    }
  };
  attempt(["layered_runtime"], () => new RuntimeLayers(bootstrap.layeredRuntime, node.cluster));
  for (const [i, secret] of secrets.entries())
    attempt(["static_resources", "secrets", i], () => checks.secret(secret));
  for (const [i, cluster] of clusters.entries())
    attempt(["static_resources", "clusters", i], () => checks.cluster(cluster));
  attempt(["cluster_manager", "local_cluster_name"], () => checkLocalCluster(bootstrap));
  for (const [i, listener] of listeners.entries())
    attempt(["static_resources", "listeners", i], () => {
      checks.listener(listener);
      listenAddresses(listener);
      checkInlineRoutes(listener, (config) => checks.routes(config, names));
    });
  return problems;
}
