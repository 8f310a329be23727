import { durationMs } from "../../proto/duration.ts";
import type { MessageOf } from "../../proto/registry.ts";
import type { CertificateReport, Extensions, FactoryContext } from "../api.ts";
import { findTransportSocket } from "../transport-sockets.ts";
import { ClusterTransports } from "../upstream/cluster-transports.ts";

/**
 * Elements of /certs: one per TLS context of the clusters and listeners, read from their files as they are now. A
 * context that cannot be read at the moment is left out.
 */
export function certificateReports(
  clusters: Iterable<MessageOf<"envoy.config.cluster.v3.Cluster">>,
  listeners: Iterable<MessageOf<"envoy.config.listener.v3.Listener">>,
  extensions: Extensions,
  factory: FactoryContext,
): CertificateReport[] {
  const context = { ...factory, logger: silent, scope: factory.stats.scope("certs.") };
  const reports: CertificateReport[] = [];
  const attempt = (read: () => CertificateReport[]): void => {
    try {
      reports.push(...read());
    } catch {
      // Connections go on with what was read before.
    }
  };
  for (const cluster of clusters)
    attempt(() => new ClusterTransports(cluster, extensions, context).certificates());
  for (const { filterChains, defaultFilterChain } of listeners) {
    for (const chain of [...filterChains, ...(defaultFilterChain ? [defaultFilterChain] : [])]) {
      attempt(() => {
        const found = findTransportSocket(chain.transportSocket, extensions, "createServer");
        const connectTimeout = durationMs(chain.transportSocketConnectTimeout, 0);
        const transport = found?.def.createServer?.(found.message as never, {
          ...context,
          protocols: undefined,
          connectTimeout,
        });
        return transport === undefined ? [] : [transport.certificates()];
      });
    }
  }
  return reports;
}

const nothing = (): void => {};
const silent = () => ({ trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing });
