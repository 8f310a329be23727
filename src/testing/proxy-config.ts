// Pieces of proxy configuration in the JSON form, for tests.

const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/** A listener on a free port; `routes` is what follows the connection manager's name. */
export function listener(name: string, routes: unknown, port = 0): object {
  const hcm = {
    "@type": HCM,
    stat_prefix: name,
    ...(routes as object),
    http_filters: [{ name: "envoy.filters.http.router", typed_config: { "@type": ROUTER } }],
  };
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [
      { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: hcm }] },
    ],
  };
}

/** Routes: "/direct" answers itself, all else goes to the cluster. */
export const routesTo = (cluster: string): object => ({
  name: "r",
  virtual_hosts: [
    {
      name: "v",
      domains: ["*"],
      routes: [
        { match: { prefix: "/direct" }, direct_response: { status: 200, body: { inline_string: "hi" } } },
        { match: { prefix: "/" }, route: { cluster } },
      ],
    },
  ],
});

/** A ClusterLoadAssignment with one endpoint on 127.0.0.1. */
export const endpoints = (name: string, port: number): object => ({
  cluster_name: name,
  endpoints: [
    {
      lb_endpoints: [
        { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } } },
      ],
    },
  ],
});

export const staticCluster = (name: string, port: number): object => ({
  name,
  type: "STATIC",
  connect_timeout: "1s",
  load_assignment: endpoints(name, port),
});
