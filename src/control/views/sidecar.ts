import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import { encodeResource } from "../resource.ts";
import { addressCluster, httpListener, retryPolicy, serviceResources } from "./shared.ts";
import { duration, type NodeIdentity, type View } from "./view.ts";

const LOCAL_CLUSTER = "local_app";

/**
 * Proxies beside a service. Their node metadata says `weft: { service, inbound, outbound, app }`: where others reach
 * the service, where the application reaches others, and where the application itself listens.
 */
export const sidecarView: View = {
  key: "sidecar",
  name: "sidecar",
  shared(input) {
    const services = [...input.catalog.keys()];
    const routes = outboundRoutes(services, input.policy);
    return [
      ...services.flatMap((name) => serviceResources(input, name)),
      input.cache.get("envoy.config.route.v3.RouteConfiguration", "outbound", routes),
    ];
  },
  own(node, policy) {
    const inbound = httpListener("inbound", ask(node, "inbound"), policy, {
      useRemoteAddress: false,
      routes: inboundRoutes(ask(node, "service")),
    });
    const outbound = httpListener("outbound", ask(node, "outbound"), policy, {
      useRemoteAddress: false,
      routes: "outbound",
    });
    const app = addressCluster(LOCAL_CLUSTER, ask(node, "app"), policy);
    return [
      encodeResource("envoy.config.cluster.v3.Cluster", LOCAL_CLUSTER, app),
      encodeResource("envoy.config.listener.v3.Listener", "inbound", inbound),
      encodeResource("envoy.config.listener.v3.Listener", "outbound", outbound),
    ];
  },
};

function inboundRoutes(service: string): JsonValue {
  return {
    name: "inbound",
    virtual_hosts: [
      {
        name: service,
        domains: ["*"],
        // The caller's proxy bounds the time; a second, shorter bound here would only hide which one fired.
        routes: [{ name: "app", match: { prefix: "/" }, route: { cluster: LOCAL_CLUSTER, timeout: "0s" } }],
      },
    ],
  };
}

/** Every service by the header that names it: its virtual host for `host`, a header match for any other. */
function outboundRoutes(services: readonly string[], policy: MeshPolicy): Record<string, JsonValue> {
  const header = policy.sidecar.target_header;
  const action = (service: string): JsonValue => ({
    cluster: service,
    timeout: duration(policy.sidecar.timeout_ms),
    ...retryPolicy(policy),
  });
  if (header === "host") {
    return {
      name: "outbound",
      virtual_hosts: services.map((service) => ({
        name: service,
        domains: [service, `${service}:*`],
        routes: [{ name: service, match: { prefix: "/" }, route: action(service) }],
      })),
    };
  }
  const routes = services.map((service) => ({
    name: service,
    match: { prefix: "/", headers: [{ name: header, string_match: { exact: service } }] },
    route: action(service),
  }));
  return { name: "outbound", virtual_hosts: [{ name: "outbound", domains: ["*"], routes }] };
}

function ask(node: NodeIdentity, key: string): string {
  const value = node.weft[key];
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`node "${node.id}" wants the sidecar view but its metadata has no weft.${key}`);
}
