import { clone } from "@bufbuild/protobuf";
import { redact } from "../../../proto/redact.ts";
import {
  schema,
  toJson,
  TYPE_URL_PREFIX,
  type MessageName,
  type MessageOf,
} from "../../../proto/registry.ts";
import type { AdminHost, ResourceStatus } from "../admin-host.ts";
import { endpointsDump } from "./endpoints-dump.ts";

/** One message of /config_dump, such as envoy.admin.v3.ClustersConfigDump. */
export interface Dump {
  readonly type: MessageName;
  /** Fields that are no lists, as JSON. */
  values(): Readonly<Record<string, unknown>>;
  readonly lists: readonly DumpList[];
}

export interface DumpList {
  readonly field: string;
  /** Type of the elements. */
  readonly type: MessageName;
  /** Type of the resource in an element. */
  readonly resourceType: MessageName;
  readonly elements: readonly DumpElement[];
}

export interface DumpElement {
  /** What name_regex looks at. */
  readonly name: string;
  json(): Record<string, unknown>;
}

const CLUSTER = "envoy.config.cluster.v3.Cluster";
const LISTENER = "envoy.config.listener.v3.Listener";
const ROUTES = "envoy.config.route.v3.RouteConfiguration";

/** All dumps in Envoy's order. JSON of elements is made when asked for. */
export function collectDumps(host: AdminHost, withEndpoints: boolean): readonly Dump[] {
  return [
    bootstrapDump(host),
    clustersDump(host),
    ...(withEndpoints ? [endpointsDump(host)] : []),
    listenersDump(host),
    {
      type: "envoy.admin.v3.ScopedRoutesConfigDump",
      values: () => ({}),
      lists: [],
    },
    routesDump(host),
    { type: "envoy.admin.v3.SecretsConfigDump", values: () => ({}), lists: [] },
  ];
}

/** A message as JSON, sensitive fields redacted. */
function redactedJson<N extends MessageName>(type: N, message: MessageOf<N>): Record<string, unknown> {
  const copy = clone(schema(type), message as never) as MessageOf<N>;
  redact(copy as never);
  return toJson(type, copy) as Record<string, unknown>;
}

function bootstrapDump(host: AdminHost): Dump {
  return {
    type: "envoy.admin.v3.BootstrapConfigDump",
    values: () => ({
      bootstrap: redactedJson("envoy.config.bootstrap.v3.Bootstrap", { ...host.bootstrap, node: host.node }),
      last_updated: timestamp(Date.now() - host.uptime()),
    }),
    lists: [],
  };
}

function clustersDump(host: AdminHost): Dump {
  const resources = host.clusterResources();
  const dynamic = resources.filter((each) => each.dynamic);
  const list = (field: string, from: readonly ResourceStatus<MessageOf<typeof CLUSTER>>[]): DumpList => ({
    field,
    type: "envoy.admin.v3.ClustersConfigDump.DynamicCluster",
    resourceType: CLUSTER,
    elements: from.map((status) => ({
      name: status.name,
      json: () => ({
        ...dynamicJson(CLUSTER, "cluster", status),
        ...errorJson(status),
      }),
    })),
  });
  return {
    type: "envoy.admin.v3.ClustersConfigDump",
    values: () => version(host, "clusters"),
    lists: [
      {
        field: "static_clusters",
        type: "envoy.admin.v3.ClustersConfigDump.StaticCluster",
        resourceType: CLUSTER,
        elements: statics(CLUSTER, "cluster", resources),
      },
      list(
        "dynamic_active_clusters",
        dynamic.filter(({ state }) => state !== "warming"),
      ),
      list(
        "dynamic_warming_clusters",
        dynamic.filter(({ state }) => state === "warming"),
      ),
    ],
  };
}

function listenersDump(host: AdminHost): Dump {
  const resources = host.listenerResources();
  const byName = Map.groupBy(
    resources.filter((each) => each.dynamic),
    ({ name }) => name,
  );
  return {
    type: "envoy.admin.v3.ListenersConfigDump",
    values: () => version(host, "listeners"),
    lists: [
      {
        field: "static_listeners",
        type: "envoy.admin.v3.ListenersConfigDump.StaticListener",
        resourceType: LISTENER,
        elements: statics(LISTENER, "listener", resources),
      },
      {
        field: "dynamic_listeners",
        type: "envoy.admin.v3.ListenersConfigDump.DynamicListener",
        resourceType: LISTENER,
        elements: [...byName].map(([name, versions]) => ({
          name,
          json: () => {
            const of = (state: string): unknown => {
              const status = versions.find((each) => each.state === state);
              return status && dynamicJson(LISTENER, "listener", status);
            };
            return {
              name,
              active_state: of("active"),
              warming_state: of("warming"),
              draining_state: of("draining"),
              ...errorJson(versions.find(({ error }) => error !== undefined)),
            };
          },
        })),
      },
    ],
  };
}

function routesDump(host: AdminHost): Dump {
  const resources = host.routeResources();
  return {
    type: "envoy.admin.v3.RoutesConfigDump",
    values: () => ({}),
    lists: [
      {
        field: "static_route_configs",
        type: "envoy.admin.v3.RoutesConfigDump.StaticRouteConfig",
        resourceType: ROUTES,
        elements: statics(ROUTES, "route_config", resources),
      },
      {
        field: "dynamic_route_configs",
        type: "envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig",
        resourceType: ROUTES,
        elements: resources
          .filter((each) => each.dynamic)
          .map((status) => ({
            name: status.name,
            json: () => ({ ...dynamicJson(ROUTES, "route_config", status), ...errorJson(status) }),
          })),
      },
    ],
  };
}

function statics<N extends MessageName>(
  type: N,
  field: string,
  resources: readonly ResourceStatus<MessageOf<N>>[],
): readonly DumpElement[] {
  return resources
    .filter(({ dynamic }) => !dynamic)
    .map(({ name, resource, lastUpdated }) => ({
      name,
      json: () => ({ [field]: anyJson(type, resource), last_updated: timestamp(lastUpdated) }),
    }));
}

function dynamicJson<N extends MessageName>(
  type: N,
  field: string,
  { version: text, resource, lastUpdated }: ResourceStatus<MessageOf<N>>,
): Record<string, unknown> {
  return {
    version_info: text === "" ? undefined : text,
    [field]: anyJson(type, resource),
    last_updated: timestamp(lastUpdated),
  };
}

function errorJson(status: ResourceStatus<unknown> | undefined): Record<string, unknown> {
  const error = status?.error;
  if (error === undefined) return {};
  return {
    error_state: {
      last_update_attempt: timestamp(error.at),
      details: error.details,
      version_info: error.version === "" ? undefined : error.version,
    },
  };
}

function anyJson<N extends MessageName>(type: N, message: MessageOf<N>): Record<string, unknown> {
  return { "@type": TYPE_URL_PREFIX + type, ...redactedJson(type, message) };
}

function version(host: AdminHost, type: "clusters" | "listeners"): Record<string, unknown> {
  const text = host.typeVersion(type);
  return text === "" ? {} : { version_info: text };
}

function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
