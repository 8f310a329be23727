// The one place where the main thread finds the other parts of the proxy; they are loaded when a proxy starts.
import { TimerWheel } from "../../base/timer-wheel.ts";
import type { Clock } from "../../base/clock.ts";
import { NetContext } from "../../net/net-context.ts";
import type { Ledger } from "../../proto/ledger.ts";
import type { MessageOf } from "../../proto/registry.ts";
import { StatStore } from "../../stats/stat-store.ts";
import type { Extensions, FactoryContext, Logger } from "../api.ts";
import { createAsyncClient } from "../async-client.ts";
import { NO_SECRETS } from "../secrets.ts";
import { mainLedger } from "./ledger.ts";

/** Dry runs of what workers do with resources: each throws an Error with Envoy's text. */
export interface Checks {
  listener(message: MessageOf<"envoy.config.listener.v3.Listener">): void;
  cluster(message: MessageOf<"envoy.config.cluster.v3.Cluster">): void;
  secret(message: MessageOf<"envoy.extensions.transport_sockets.tls.v3.Secret">): void;
  /** @param clusters clusters that routes may lead to; undefined = any */
  routes(
    message: MessageOf<"envoy.config.route.v3.RouteConfiguration">,
    clusters: ReadonlySet<string> | undefined,
  ): void;
}

export interface Parts {
  readonly extensions: Extensions;
  readonly ledgers: readonly Ledger[];
  checks(context: FactoryContext): Checks;
}

/** URL of the module that workers run. */
export const WORKER_URL: URL = new URL(
  import.meta.url.endsWith(".ts") ? "../worker.ts" : "../worker.js",
  import.meta.url,
);

/** Loads them. @param manifest extension manifest instead of the built-in one, as a file URL */
export async function loadParts(manifest?: string): Promise<Parts> {
  const [
    module,
    { withBuiltIns },
    { checkListener },
    { checkRouteConfiguration },
    { checkCluster },
    ...areas
  ] = await Promise.all([
    (manifest === undefined ? import("../../extensions/index.ts") : import(manifest)) as Promise<{
      extensions: Extensions;
    }>,
    import("../built-ins.ts"),
    import("../listener/check-listener.ts"),
    import("../route/check-route-configuration.ts"),
    import("../upstream/check-cluster.ts"),
    import("../hcm/ledger.ts"),
    import("../listener/ledger.ts"),
    import("../upstream/ledger.ts"),
    import("../router/ledger.ts"),
  ]);
  const extensions = withBuiltIns(module.extensions);
  return {
    extensions,
    ledgers: [
      mainLedger,
      ...areas.flatMap((area) => Object.values<Ledger>(area)),
      ...extensionLedgers(extensions),
    ],
    checks: (context) => ({
      listener: (message) => {
        checkListener(message, extensions, context);
      },
      cluster: (message) => checkCluster(message, extensions, context),
      secret: (message) => {
        for (const { checkSecret } of extensions.transportSockets ?? []) checkSecret?.(message);
      },
      routes: (message, clusters) => checkRouteConfiguration(message, clusters, extensions, context),
    }),
  };
}

/** The context in which resources are tried out: nothing that happens there is seen elsewhere. */
export function checkContext(options: {
  readonly clock: Clock;
  readonly node: { readonly id: string; readonly cluster: string; readonly zone: string };
  readonly localIp: string;
  logger(component: string): Logger;
}): FactoryContext {
  const { clock, node, localIp, logger } = options;
  const wheel = new TimerWheel(clock);
  const clusters = { get: () => undefined };
  return {
    clock,
    wheel,
    net: new NetContext(),
    stats: new StatStore(() => undefined),
    clusters,
    calls: createAsyncClient({ clock, wheel, clusters, localIp }),
    secrets: NO_SECRETS,
    runtime: { number: (_key, fallback) => fallback, fraction: () => false },
    logger,
    random: Math.random,
    node,
    workerIndex: -1,
    localIp,
  };
}

function extensionLedgers(extensions: Extensions): Ledger[] {
  const { http, network, lb, accessLog, listenerFilters = [], transportSockets = [] } = extensions;
  return [...http, ...network, ...lb, ...accessLog, ...listenerFilters, ...transportSockets].map(
    ({ ledger }) => ledger,
  );
}
