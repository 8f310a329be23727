import type { JsonValue } from "@bufbuild/protobuf";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import { addressCluster, httpListener, retryPolicy, serviceResources } from "./shared.ts";
import { duration, typed, type View } from "./view.ts";

const CLUSTER = "envoy.config.cluster.v3.Cluster";
const AUTH_CLUSTER = "weft_auth";
/** What says who the user is; comes from the auth service or not at all. */
const IDENTITY_HEADERS = ["x-user-id", "x-user-roles"];

type Route = MeshPolicy["edge"]["routes"][number];

const stripIdentity: JsonValue = {
  name: "envoy.filters.http.header_mutation",
  typed_config: typed("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", {
    mutations: { request_mutations: IDENTITY_HEADERS.map((name) => ({ remove: name })) },
  }),
};

/** Proxies at the edge: one listener, routes by path, the auth service asked about each request. */
export const edgeView: View = {
  key: "edge",
  name: "edge",
  shared(input) {
    const { policy, cache } = input;
    const { auth, listen, routes, trusted_hops: trustedHops } = policy.edge;
    const listener = httpListener("edge", listen, policy, {
      useRemoteAddress: true,
      trustedHops,
      routes: "edge",
      filters: [stripIdentity, ...(auth === undefined ? [] : [authFilter(auth)])],
    });
    const services = [...new Set(routes.map((route) => route.service))].sort();
    return [
      ...services.flatMap((service) => serviceResources(input, service)),
      ...(auth === undefined
        ? []
        : [cache.get(CLUSTER, AUTH_CLUSTER, addressCluster(AUTH_CLUSTER, auth.address, policy))]),
      cache.get("envoy.config.listener.v3.Listener", "edge", listener),
      cache.get("envoy.config.route.v3.RouteConfiguration", "edge", {
        name: "edge",
        virtual_hosts: [
          {
            name: "edge",
            domains: ["*"],
            routes: routes.map((route) => edgeRoute(route, policy)),
          },
        ],
      }),
    ];
  },
  own: () => [],
};

function edgeRoute(route: Route, policy: MeshPolicy): JsonValue {
  const match: JsonValue =
    route.path !== undefined
      ? { path: route.path }
      : route.prefix === "/"
        ? { prefix: "/" }
        : { path_separated_prefix: route.prefix!.replace(/\/+$/, "") };
  return {
    name: route.service,
    match,
    route: {
      cluster: route.service,
      timeout: duration(route.timeout_ms),
      ...rewrite(route),
      ...retryPolicy(policy),
    },
  };
}

/** Puts the new prefix in the place of the old one, with exactly one slash between it and the rest. */
function rewrite({ prefix, rewrite_prefix: to }: Route): Record<string, JsonValue> {
  if (to === undefined) return {};
  if (prefix === "/") return { prefix_rewrite: to.replace(/\/*$/, "/") };
  if (prefix === undefined || !to.endsWith("/")) return { prefix_rewrite: to };
  const old = prefix.replace(/\/+$/, "").replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return {
    regex_rewrite: { pattern: { regex: `^${old}/*` }, substitution: to.replaceAll("\\", "\\\\") },
  };
}

function authFilter(auth: NonNullable<MeshPolicy["edge"]["auth"]>): JsonValue {
  const exact = (...names: string[]): JsonValue => ({
    patterns: names.map((name) => ({ exact: name, ignore_case: true })),
  });
  return {
    name: "envoy.filters.http.ext_authz",
    typed_config: typed("envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", {
      transport_api_version: "V3",
      failure_mode_allow: auth.failure_mode === "allow",
      allowed_headers: exact("x-request-id", "traceparent", "tracestate", "x-forwarded-for", "user-agent"),
      http_service: {
        server_uri: {
          uri: `http://${auth.address}`,
          cluster: AUTH_CLUSTER,
          timeout: duration(auth.timeout_ms),
        },
        authorization_response: {
          allowed_upstream_headers: exact(...IDENTITY_HEADERS, "x-request-id", "traceparent"),
          allowed_client_headers: exact("www-authenticate", "content-type"),
        },
      },
    }),
  };
}
