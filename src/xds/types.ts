import { TYPE_URL_PREFIX } from "../proto/registry.ts";
import type { MessageName } from "../proto/registry.ts";

/** A kind of xDS resource. */
export type XdsKind = "cds" | "eds" | "lds" | "rds" | "sds";

/** What is fixed about a kind of resource. */
export interface XdsType {
  readonly kind: XdsKind;
  readonly message: MessageName;
  readonly typeUrl: string;
  /** Field that holds a resource's name. */
  readonly nameField: "name" | "clusterName";
  /** What is absent from a state-of-the-world response is gone. */
  readonly wildcard: boolean;
  /** gRPC path of the stream of this type alone. */
  readonly streamPath: string;
  /** REST path. */
  readonly restPath: string;
}

/** gRPC path of the aggregated stream, state of the world. */
export const ADS_PATH = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/** The types by kind. */
export const XDS_TYPES: Readonly<Record<XdsKind, XdsType>> = {
  cds: {
    kind: "cds",
    message: "envoy.config.cluster.v3.Cluster",
    typeUrl: `${TYPE_URL_PREFIX}envoy.config.cluster.v3.Cluster`,
    nameField: "name",
    wildcard: true,
    streamPath: "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
    restPath: "/v3/discovery:clusters",
  },
  eds: {
    kind: "eds",
    message: "envoy.config.endpoint.v3.ClusterLoadAssignment",
    typeUrl: `${TYPE_URL_PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`,
    nameField: "clusterName",
    wildcard: false,
    streamPath: "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints",
    restPath: "/v3/discovery:endpoints",
  },
  lds: {
    kind: "lds",
    message: "envoy.config.listener.v3.Listener",
    typeUrl: `${TYPE_URL_PREFIX}envoy.config.listener.v3.Listener`,
    nameField: "name",
    wildcard: true,
    streamPath: "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
    restPath: "/v3/discovery:listeners",
  },
  rds: {
    kind: "rds",
    message: "envoy.config.route.v3.RouteConfiguration",
    typeUrl: `${TYPE_URL_PREFIX}envoy.config.route.v3.RouteConfiguration`,
    nameField: "name",
    wildcard: false,
    streamPath: "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes",
    restPath: "/v3/discovery:routes",
  },
  sds: {
    kind: "sds",
    message: "envoy.extensions.transport_sockets.tls.v3.Secret",
    typeUrl: `${TYPE_URL_PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`,
    nameField: "name",
    wildcard: false,
    streamPath: "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
    restPath: "/v3/discovery:secrets",
  },
};

/** The order in which a change is safe to make: clusters before the routes that name them, secrets before listeners. */
export const XDS_ORDER: readonly XdsKind[] = ["cds", "eds", "sds", "lds", "rds"];

/** The type with this type URL, if it is one of ours. */
export function xdsTypeOf(typeUrl: string): XdsType | undefined {
  return XDS_ORDER.map((kind) => XDS_TYPES[kind]).find((type) => type.typeUrl === typeUrl);
}
