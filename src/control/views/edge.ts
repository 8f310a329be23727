import type { JsonValue } from "@bufbuild/protobuf";
import type { EdgeRoute } from "../policy/edge-route.ts";
import type { MeshPolicy } from "../policy/mesh-policy.ts";
import type { EdgeSettings } from "../policy/view-settings.ts";
import type { Resource } from "../xds/resource.ts";
import { addressCluster } from "./address-cluster.ts";
import { duration, typed } from "./envoy-json.ts";
import { httpListener } from "./http-listener.ts";
import { weights } from "./route-action.ts";
import type { Scope } from "./scope.ts";
import { serviceResources } from "./service-resources.ts";
import { serviceRoutes } from "./service-routes.ts";
import { withStaticResources } from "./static-resources.ts";
import { tcpListener } from "./tcp-listener.ts";
import type { ViewKind } from "./view-kind.ts";
import { virtualHosts } from "./virtual-hosts.ts";

const AUTH_CLUSTER = "weft_auth";
/** What says who the user is; comes from the auth service or not at all. */
const IDENTITY_HEADERS = ["x-user-id", "x-user-roles"];

const DEFAULT_TIMEOUT_MS = 15_000;

const stripIdentity: JsonValue = {
  name: "envoy.filters.http.header_mutation",
  typed_config: typed("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", {
    mutations: { request_mutations: IDENTITY_HEADERS.map((name) => ({ remove: name })) },
  }),
};

/** Proxies at the edge: one listener, routes by path or by the service's name, the auth service asked about each request. */
export function edgeKind(settingsOf: (policy: MeshPolicy) => EdgeSettings): ViewKind {
  return {
    shared(scope, { caller }) {
      const { policy, emit } = scope;
      const settings = settingsOf(policy);
      const { auth } = settings;
      const listener = httpListener("edge", settings.listen, policy, {
        useRemoteAddress: true,
        trustedHops: settings.trusted_hops,
        routes: "edge",
        filters: [stripIdentity, ...(auth === undefined ? [] : [authFilter(auth)])],
        patches: settings.envoy,
      });
      const hosts = settings.hosts === undefined ? [] : httpServices(scope, caller);
      const configuration = { name: "edge", virtual_hosts: edgeHosts(scope, settings, hosts) };
      const tcp = tcpListeners(scope, settings);
      const made = [
        ...serviceResources(scope, []),
        ...(auth === undefined
          ? []
          : [
              emit(
                "envoy.config.cluster.v3.Cluster",
                AUTH_CLUSTER,
                addressCluster(AUTH_CLUSTER, auth.address, policy.connect_timeout_ms),
              ),
            ]),
        emit("envoy.config.listener.v3.Listener", "edge", listener),
        ...tcp,
        emit("envoy.config.route.v3.RouteConfiguration", "edge", configuration),
      ];
      const addresses = new Map([["edge", settings.listen], ...tcpAddresses(settings)]);
      return withStaticResources(made, addresses, policy.static_resources, emit);
    },
    own: () => [],
  };
}

function httpServices(scope: Scope, caller: string): string[] {
  return scope.servicesFor(caller).filter((service) => scope.settings(service).protocol !== "tcp");
}

function edgeHosts(scope: Scope, settings: EdgeSettings, services: readonly string[]): JsonValue[] {
  const routes = settings.routes.flatMap((route) => edgeRoute(scope, route));
  if (settings.hosts?.paths === true) {
    for (const service of services) {
      const entry = { prefix: `/${service}`, rewrite_prefix: "/" };
      routes.push(...serviceRoutes(scope, service, entry, DEFAULT_TIMEOUT_MS));
    }
  }
  const fallback = settings.hosts?.default;
  if (fallback !== undefined) routes.push(...serviceRoutes(scope, fallback, {}, DEFAULT_TIMEOUT_MS));
  return [
    ...virtualHosts(scope, services, settings.hosts?.suffixes ?? [], DEFAULT_TIMEOUT_MS),
    { name: "edge", domains: ["*"], routes },
  ];
}

function edgeRoute(scope: Scope, { service, ...entry }: EdgeRoute): JsonValue[] {
  return serviceRoutes(scope, service, entry, DEFAULT_TIMEOUT_MS);
}

function tcpListeners(scope: Scope, settings: EdgeSettings): Resource[] {
  return settings.tcp.map(({ listen, service }) => {
    const name = tcpName(service, listen);
    const split = scope.settings(service).split;
    const clusters =
      split === undefined ? [{ name: scope.cluster(service), weight: 1 }] : weights(scope, service, split);
    return scope.emit(
      "envoy.config.listener.v3.Listener",
      name,
      tcpListener(name, listen, scope.policy, clusters),
    );
  });
}

function tcpAddresses(settings: EdgeSettings): [string, string][] {
  return settings.tcp.map(({ listen, service }) => [tcpName(service, listen), listen]);
}

function tcpName(service: string, listen: string): string {
  return `tcp_${service}_${listen.slice(listen.lastIndexOf(":") + 1)}`;
}

function authFilter(auth: NonNullable<EdgeSettings["auth"]>): JsonValue {
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
