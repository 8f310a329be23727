import { httpListener } from "./http-listener.ts";
import { CLUSTER_HEADER } from "./route-action.ts";
import { serviceResources } from "./service-resources.ts";
import type { ViewKind } from "./view-kind.ts";

/**
 * Front proxies of a region: what proxies of other regions send them goes to instances of their own region, and to those
 * only, so that no request goes round in circles. The sender has chosen the cluster, and bounds the time.
 */
export const gatewayKind: ViewKind = {
  ownRegionOnly: true,
  shared(scope) {
    const { emit, policy, place } = scope;
    const region = policy.regions[place.region];
    if (region === undefined) return [];
    const port = region.gateway.slice(region.gateway.lastIndexOf(":") + 1);
    const listener = httpListener("gateway", region.listen ?? `0.0.0.0:${port}`, policy, {
      useRemoteAddress: false,
      routes: "gateway",
    });
    for (const service of scope.catalog.keys()) {
      for (const { version } of scope.endpoints(service)) if (version !== "") scope.cluster(service, version);
    }
    const configuration = {
      name: "gateway",
      virtual_hosts: [
        {
          name: "gateway",
          domains: ["*"],
          routes: [
            {
              name: "by-cluster",
              match: { prefix: "/", headers: [{ name: CLUSTER_HEADER, present_match: true }] },
              route: { cluster_header: CLUSTER_HEADER, timeout: "0s" },
              request_headers_to_remove: [CLUSTER_HEADER],
            },
          ],
        },
      ],
    };
    return [
      ...serviceResources(scope, [...scope.catalog.keys()]),
      emit("envoy.config.listener.v3.Listener", "gateway", listener),
      emit("envoy.config.route.v3.RouteConfiguration", "gateway", configuration),
    ];
  },
  own(node, policy) {
    if (policy.regions[node.region] !== undefined) return [];
    const known = Object.keys(policy.regions).join(", ") || "none";
    throw new Error(
      `node "${node.id}" is a gateway of region "${node.region}", which the policy does not have (it has: ${known})`,
    );
  },
};
