import { systemClock } from "../../base/clock.ts";
import type { Logger } from "../api.ts";
import type { LoadedBootstrap } from "../bootstrap.ts";
import type { ProxyOptions } from "../options.ts";
import { localIp } from "./local-ip.ts";
import { checkInlineRoutes, listenAddresses } from "./listener-parts.ts";
import { checkContext, type Parts } from "./parts.ts";
import { RuntimeLayers } from "./runtime-layers.ts";
import { visitStaticResources } from "./static-resources.ts";

/** Tries out all static resources without binding, resolving or connecting to anything. Returns what is wrong. */
export function validateResources(
  loaded: LoadedBootstrap,
  options: ProxyOptions,
  parts: Parts,
  logger: (component: string) => Logger,
): string[] {
  const { bootstrap } = loaded;
  const node = bootstrap.node!;
  const checks = parts.checks(
    checkContext({
      clock: systemClock,
      node: { id: node.id, cluster: node.cluster, zone: node.locality?.zone ?? "" },
      localIp: localIp(options.localAddressIpVersion),
      logger,
    }),
  );
  const names = new Set(bootstrap.staticResources?.clusters.map(({ name }) => name));
  return visitStaticResources(loaded, {
    runtime: () => void new RuntimeLayers(bootstrap.layeredRuntime, node.cluster),
    secret: (secret) => checks.secret(secret),
    cluster: (cluster) => checks.cluster(cluster),
    listener: (listener) => {
      checks.listener(listener);
      listenAddresses(listener);
      checkInlineRoutes(listener, (config) => checks.routes(config, names));
    },
  });
}
