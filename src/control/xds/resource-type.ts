import { TYPE_URL_PREFIX, type MessageName } from "../../proto/registry.ts";

/** How resources of one type are asked for and pushed. */
interface TypeDef {
  /** gRPC service of streams that carry this type alone. */
  readonly service: string;
  /** Its state-of-the-world method; none where Envoy's API has only the incremental one. */
  readonly stream?: string;
  /** Its incremental method. */
  readonly delta: string;
  /** `POST /v3/discovery:NAME`; none where REST cannot carry the type, and for keys: its port does not ask who it is. */
  readonly rest?: string;
  /** A state-of-the-world response tells all there is, so that a resource it lacks is a removed one. */
  readonly fullState?: true;
  /** Names clusters, so that it must not reach a node before the clusters do. */
  readonly namesClusters?: true;
}

const types = {
  "envoy.config.cluster.v3.Cluster": {
    service: "envoy.service.cluster.v3.ClusterDiscoveryService",
    stream: "StreamClusters",
    delta: "DeltaClusters",
    rest: "clusters",
    fullState: true,
  },
  "envoy.config.endpoint.v3.ClusterLoadAssignment": {
    service: "envoy.service.endpoint.v3.EndpointDiscoveryService",
    stream: "StreamEndpoints",
    delta: "DeltaEndpoints",
    rest: "endpoints",
  },
  "envoy.extensions.transport_sockets.tls.v3.Secret": {
    service: "envoy.service.secret.v3.SecretDiscoveryService",
    stream: "StreamSecrets",
    delta: "DeltaSecrets",
  },
  "envoy.config.listener.v3.Listener": {
    service: "envoy.service.listener.v3.ListenerDiscoveryService",
    stream: "StreamListeners",
    delta: "DeltaListeners",
    rest: "listeners",
    fullState: true,
    namesClusters: true,
  },
  "envoy.config.route.v3.ScopedRouteConfiguration": {
    service: "envoy.service.route.v3.ScopedRoutesDiscoveryService",
    stream: "StreamScopedRoutes",
    delta: "DeltaScopedRoutes",
    rest: "scoped-routes",
    fullState: true,
    namesClusters: true,
  },
  "envoy.config.route.v3.RouteConfiguration": {
    service: "envoy.service.route.v3.RouteDiscoveryService",
    stream: "StreamRoutes",
    delta: "DeltaRoutes",
    rest: "routes",
    namesClusters: true,
  },
  "envoy.config.route.v3.VirtualHost": {
    service: "envoy.service.route.v3.VirtualHostDiscoveryService",
    delta: "DeltaVirtualHosts",
    namesClusters: true,
  },
  "envoy.config.core.v3.TypedExtensionConfig": {
    service: "envoy.service.extension.v3.ExtensionConfigDiscoveryService",
    stream: "StreamExtensionConfigs",
    delta: "DeltaExtensionConfigs",
    rest: "extension_configs",
  },
  "envoy.service.runtime.v3.Runtime": {
    service: "envoy.service.runtime.v3.RuntimeDiscoveryService",
    stream: "StreamRuntime",
    delta: "DeltaRuntime",
    rest: "runtime",
  },
} as const satisfies Partial<Record<MessageName, TypeDef>>;

export type ResourceTypeName = keyof typeof types;

/** The resource types that are served, in the order in which they are pushed: what is pointed at goes first. */
export const RESOURCE_TYPES = Object.keys(types) as readonly ResourceTypeName[];

export const CLUSTER = "envoy.config.cluster.v3.Cluster" satisfies ResourceTypeName;
export const ENDPOINT = "envoy.config.endpoint.v3.ClusterLoadAssignment" satisfies ResourceTypeName;
export const ROUTE = "envoy.config.route.v3.RouteConfiguration" satisfies ResourceTypeName;
export const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret" satisfies ResourceTypeName;
export const VIRTUAL_HOST = "envoy.config.route.v3.VirtualHost" satisfies ResourceTypeName;

/** How resources of the type are asked for and pushed. */
export function typeDef(type: ResourceTypeName): TypeDef {
  return types[type];
}

/** `type.googleapis.com/` + type name. */
export function typeUrl(type: ResourceTypeName): string {
  return TYPE_URL_PREFIX + type;
}

/** The type of a request's type URL; undefined when it is not served. */
export function servedType(url: string): ResourceTypeName | undefined {
  const name = url.slice(TYPE_URL_PREFIX.length);
  return url.startsWith(TYPE_URL_PREFIX) && name in types ? (name as ResourceTypeName) : undefined;
}
