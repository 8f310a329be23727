import type { NetworkFilterDef, PassingFilterFactory } from "../../proxy/api.ts";
import { CLUSTER_STATE } from "./tcp-proxy/settings.ts";

/** envoy.filters.network.sni_cluster: the TCP proxy after it takes the server name of TLS as the cluster's name. */
export const sniCluster: NetworkFilterDef<
  "envoy.extensions.filters.network.sni_cluster.v3.SniCluster",
  PassingFilterFactory
> = {
  name: "envoy.filters.network.sni_cluster",
  config: "envoy.extensions.filters.network.sni_cluster.v3.SniCluster",
  ledger: { "envoy.extensions.filters.network.sni_cluster.v3.SniCluster": "all" },
  create: () => ({
    attach({ downstream: { info } }) {
      if (info.requestedServerName !== "")
        (info.filterState ??= new Map()).set(CLUSTER_STATE, info.requestedServerName);
      return undefined;
    },
  }),
};
