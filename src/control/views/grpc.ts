import type { JsonValue } from "@bufbuild/protobuf";
import { serviceResources } from "./shared.ts";
import { duration, typed, type View } from "./view.ts";

/** Proxyless gRPC clients: `xds:///SERVICE` asks for a listener of the service's name. */
export const grpcView: View = {
  key: "grpc",
  name: "grpc",
  shared(input) {
    return [...input.catalog.keys()].flatMap((service) => {
      const manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        {
          stat_prefix: service,
          rds: { route_config_name: service, config_source: { ads: {}, resource_api_version: "V3" } },
          http_filters: [
            {
              name: "envoy.filters.http.router",
              typed_config: typed("envoy.extensions.filters.http.router.v3.Router"),
            },
          ],
        },
      );
      const route: JsonValue = {
        match: { prefix: "" },
        route: { cluster: service, timeout: duration(input.policy.sidecar.timeout_ms) },
      };
      return [
        ...serviceResources(input, service),
        input.cache.get("envoy.config.listener.v3.Listener", service, {
          name: service,
          api_listener: { api_listener: manager },
        }),
        input.cache.get("envoy.config.route.v3.RouteConfiguration", service, {
          name: service,
          virtual_hosts: [{ name: service, domains: ["*"], routes: [route] }],
        }),
      ];
    });
  },
  own: () => [],
};
