import type { AdminHost, ClusterReport, HostReport, ResourceStatus } from "../admin/admin-host.ts";
import { HOST_FIELDS, HOST_WORDS, type HostSpec } from "../link.ts";
import type { ClusterManager, ClusterState } from "./cluster-manager.ts";
import type { ListenerManager, ListenerState } from "./listener-manager.ts";
import type { OutlierDetectors } from "./outlier-detectors.ts";
import type { RouteManager } from "./route-manager.ts";

type Reports = Pick<
  AdminHost,
  | "clusters"
  | "listeners"
  | "clusterResources"
  | "listenerResources"
  | "routeResources"
  | "endpointResources"
  | "typeVersion"
  | "initTargets"
>;

/** What the admin endpoints show of resources, read from the managers at each call. */
export function adminReports(
  clusters: ClusterManager,
  listeners: ListenerManager,
  routes: RouteManager,
  hostStates: SharedArrayBuffer,
  outliers: OutlierDetectors,
): Reports {
  const states = new Int32Array(hostStates);
  return {
    clusters: () => [...clusters.clusters.values()].map((state) => clusterReport(state, states, outliers)),
    listeners: () =>
      [...listeners.listeners.values()].flatMap(({ name }) => {
        const addresses = listeners.addresses().filter((each) => each.name === name);
        return addresses.length === 0 ? [] : [{ name, addresses: addresses.map(({ address }) => address) }];
      }),
    clusterResources: () => [...clusters.clusters.values()].flatMap((state) => statuses(state, undefined)),
    listenerResources: () =>
      [...listeners.listeners.values(), ...listeners.failed].flatMap((state) =>
        statuses(state, errorOf(state)),
      ),
    routeResources: () => routeResources(listeners, routes),
    endpointResources: () =>
      [...clusters.clusters.values()].flatMap(({ name, assignment, dynamic }) =>
        assignment === undefined
          ? []
          : [
              {
                name,
                resource: assignment.message,
                version: assignment.version,
                lastUpdated: assignment.updated,
                dynamic: dynamic || assignment.version !== "",
                state: "active" as const,
                error: undefined,
              },
            ],
      ),
    typeVersion: (type) => (type === "clusters" ? clusters.cdsVersion : listeners.ldsVersion),
    initTargets: () => {
      const warming = [...clusters.clusters.values()].filter((state) => state.warming !== undefined);
      return warming.length === 0
        ? []
        : [{ name: "init manager Server", targets: warming.map(({ name }) => `target cluster ${name}`) }];
    },
  };
}

interface Version<M> {
  readonly message: M;
  readonly version: string;
  readonly updated: number;
}

function statuses<M>(
  state: {
    readonly name: string;
    readonly dynamic: boolean;
    readonly active: Version<M> | undefined;
    readonly warming: Version<M> | undefined;
  },
  error: ResourceStatus<M>["error"],
): ResourceStatus<M>[] {
  const of = (version: Version<M> | undefined, kind: "active" | "warming"): ResourceStatus<M>[] =>
    version === undefined
      ? []
      : [
          {
            name: state.name,
            resource: version.message,
            version: version.version,
            lastUpdated: version.updated,
            dynamic: state.dynamic,
            state: kind,
            error,
          },
        ];
  return [...of(state.active, "active"), ...of(state.warming, "warming")];
}

function errorOf({ error }: ListenerState): { details: string; at: number; version: string } | undefined {
  return error === undefined ? undefined : { details: error.details, at: error.time, version: error.version };
}

function routeResources(
  listeners: ListenerManager,
  routes: RouteManager,
): ReturnType<AdminHost["routeResources"]> {
  const inline = [...listeners.listeners.values()].flatMap(({ active, warming }) => {
    const version = active ?? warming;
    return (version?.routes ?? []).map((message) => ({
      name: message.name,
      resource: message,
      version: "",
      lastUpdated: version!.updated,
      dynamic: false,
      state: "active" as const,
      error: undefined,
    }));
  });
  const dynamic = routes.routes().flatMap(({ name, message, version, updated }) =>
    message === undefined
      ? []
      : [
          {
            name,
            resource: message,
            version,
            lastUpdated: updated,
            dynamic: true,
            state: "active" as const,
            error: undefined,
          },
        ],
  );
  return [...inline, ...dynamic];
}

function clusterReport(state: ClusterState, states: Int32Array, outliers: OutlierDetectors): ClusterReport {
  const external = outliers.report(state.name, "external");
  const local = outliers.report(state.name, "local");
  const cluster = (state.active ?? state.warming)!.message;
  return {
    name: state.name,
    observabilityName: cluster.altStatName || state.name,
    addedViaApi: state.dynamic,
    edsServiceName: cluster.edsClusterConfig?.serviceName ?? "",
    cluster,
    hosts: state.hosts.map((host) => ({
      ...hostReport(host, states),
      successRate: known(external?.rateOf(host.slot)),
      localOriginSuccessRate: known(local?.rateOf(host.slot)),
    })),
    rates: external === undefined || local === undefined ? undefined : { external, local },
  };
}

function known(rate: number | undefined): number | undefined {
  return rate === -1 ? undefined : rate;
}

function hostReport(host: HostSpec, states: Int32Array): HostReport {
  const at = host.slot * HOST_WORDS;
  const word = (field: number): number => Atomics.load(states, at + field);
  const { address, hostname, weight, priority, region, zone, subZone, health } = host;
  return {
    address,
    hostname,
    weight,
    priority,
    region,
    zone,
    subZone,
    canary: false,
    health,
    failed: word(HOST_FIELDS.failed),
    cxActive: word(HOST_FIELDS.activeConnections),
    cxTotal: word(HOST_FIELDS.connectionsTotal),
    cxConnectFail: word(HOST_FIELDS.connectFails),
    rqActive: word(HOST_FIELDS.activeRequests),
    rqPendingActive: word(HOST_FIELDS.pendingRequests),
    rqTotal: word(HOST_FIELDS.requestsTotal),
    rqError: word(HOST_FIELDS.requestErrors),
    rqSuccess: word(HOST_FIELDS.requestSuccesses),
    rqTimeout: word(HOST_FIELDS.requestTimeouts),
  };
}
