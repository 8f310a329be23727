import type { JsonValue } from "@bufbuild/protobuf";
import { adsSource, typed } from "./envoy-json.ts";
import { grpcLimits } from "./grpc-limits.ts";
import { serviceResources } from "./service-resources.ts";
import { serviceRoutes } from "./service-routes.ts";
import type { ViewKind } from "./view-kind.ts";

const MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/** Proxyless gRPC clients: `xds:///SERVICE` asks for a listener of the service's name. */
export const grpcKind: ViewKind = {
  limits: grpcLimits,
  shared(scope, { caller }) {
    const { emit, policy } = scope;
    // They take certificates from nowhere but their own bootstrap.
    const services = scope.servicesFor(caller).filter((name) => scope.settings(name).tls === undefined);
    const pairs = services.flatMap((service) => {
      const manager = typed(MANAGER, {
        stat_prefix: service,
        rds: { route_config_name: service, config_source: adsSource },
        http_filters: [
          {
            name: "envoy.filters.http.router",
            typed_config: typed("envoy.extensions.filters.http.router.v3.Router"),
          },
        ],
      });
      const routes: JsonValue[] = serviceRoutes(scope, service, {}, policy.sidecar.timeout_ms);
      return [
        emit("envoy.config.listener.v3.Listener", service, {
          name: service,
          api_listener: { api_listener: manager },
        }),
        emit("envoy.config.route.v3.RouteConfiguration", service, {
          name: service,
          virtual_hosts: [{ name: service, domains: ["*"], routes }],
        }),
      ];
    });
    return [...serviceResources(scope, services), ...pairs];
  },
  own: () => [],
};
