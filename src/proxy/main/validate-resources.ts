import { systemClock } from "../../base/clock.ts";
import type { Logger } from "../api.ts";
import type { Bootstrap } from "../bootstrap.ts";
import type { ProxyOptions } from "../options.ts";
import { checkLocalCluster } from "./check-local-cluster.ts";
import { localIp } from "./local-ip.ts";
import { inlineRoutes, listenAddresses } from "./listener-parts.ts";
import { checkContext, type Parts } from "./parts.ts";
import { RuntimeLayers } from "./runtime-layers.ts";

/** Tries out all static resources without binding, resolving or connecting to anything. Returns what is wrong. */
export function validateResources(
  bootstrap: Bootstrap,
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
  const attempt = (what: () => unknown): void => {
    try {
      what();
    } catch (error) {
      problems.push((error as Error).message);
    }
  };
  attempt(() => new RuntimeLayers(bootstrap.layeredRuntime, node.cluster));
  for (const secret of secrets) attempt(() => checks.secret(secret));
  for (const cluster of clusters) attempt(() => checks.cluster(cluster));
  attempt(() => checkLocalCluster(bootstrap));
  for (const listener of listeners) {
    attempt(() => {
      checks.listener(listener);
      listenAddresses(listener);
      for (const config of inlineRoutes(listener)) checks.routes(config, names);
    });
  }
  return problems;
}
