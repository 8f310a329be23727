import { loadOrThrow } from "../proto/load.ts";
import { create } from "../proto/registry.ts";
import { LOG_COMPONENTS } from "../proxy/main/log-components.ts";
import type { AdminHost, ClusterReport, HostReport, ResourceStatus } from "../proxy/admin/admin-host.ts";
import { MergedStats } from "../stats/merged-stats.ts";
import { StatStore } from "../stats/stat-store.ts";

/** What a MemoryAdminHost was told to do, and what it shows; tests write to it. */
export interface AdminHostControls {
  readonly merged: MergedStats;
  readonly store: StatStore;
  /** Calls of mutating methods, such as "drain graceful". */
  readonly calls: string[];
  state: ReturnType<AdminHost["state"]>;
  readonly texts: Map<string, string>;
  readonly admin: Map<string, string>;
}

export const LAST_UPDATED: number = Date.parse("2026-01-02T03:04:05.678Z");

/** One host as it is before any request. */
export function hostReport(address: string, more: Partial<HostReport> = {}): HostReport {
  return {
    address,
    hostname: "",
    weight: 1,
    priority: 0,
    region: "",
    zone: "",
    subZone: "",
    canary: false,
    health: "healthy",
    failed: 0,
    cxActive: 0,
    cxTotal: 0,
    cxConnectFail: 0,
    rqActive: 0,
    rqTotal: 0,
    rqError: 0,
    rqSuccess: 0,
    rqTimeout: 0,
    ...more,
  };
}

/** An AdminHost that keeps all in memory and shows a static bootstrap, plus `overrides`. */
export function memoryAdminHost(
  bootstrapYaml: string,
  overrides: Partial<AdminHost> = {},
): { host: AdminHost; controls: AdminHostControls } {
  const { message: bootstrap } = loadOrThrow("envoy.config.bootstrap.v3.Bootstrap", bootstrapYaml, {
    file: "test.yaml",
  });
  const merged = new MergedStats();
  const store = new StatStore((update) => merged.update("main", update));
  const calls: string[] = [];
  const levels = new Map(LOG_COMPONENTS.map((name) => [name, "info"]));
  const admin = new Map<string, string>();
  const controls: AdminHostControls = { merged, store, calls, state: "LIVE", texts: new Map(), admin };
  const resources = bootstrap.staticResources;
  const fixed = <M>(name: string, resource: M): ResourceStatus<M> => ({
    name,
    resource,
    version: "",
    lastUpdated: LAST_UPDATED,
    dynamic: false,
    state: "active",
    error: undefined,
  });
  const host: AdminHost = {
    bootstrap,
    node: bootstrap.node ?? create("envoy.config.core.v3.Node"),
    commandLine: { concurrency: 1 },
    uptime: () => 9000,
    state: () => controls.state,
    statChunks: () => merged.chunks(),
    usedHistograms: () => merged.usedHistograms(),
    textReadouts: () => controls.texts,
    resetCounters: () => merged.resetCounters(),
    clusters: () =>
      (resources?.clusters ?? []).map((cluster): ClusterReport => ({
        name: cluster.name,
        observabilityName: cluster.altStatName || cluster.name,
        addedViaApi: false,
        edsServiceName: "",
        cluster,
        hosts: [],
      })),
    listeners: () =>
      (resources?.listeners ?? []).map(({ name }) => ({ name, addresses: ["127.0.0.1:10000"] })),
    clusterResources: () => (resources?.clusters ?? []).map((cluster) => fixed(cluster.name, cluster)),
    listenerResources: () => (resources?.listeners ?? []).map((listener) => fixed(listener.name, listener)),
    routeResources: () => [],
    endpointResources: () => [],
    typeVersion: () => "",
    initTargets: () => [],
    setHealthcheckFailed: (failed) => {
      calls.push(`healthcheck ${failed ? "failed" : "ok"}`);
      controls.state = failed ? "DRAINING" : "LIVE";
    },
    drainListeners: (options) => calls.push(`drain ${JSON.stringify(options)}`),
    quit: () => calls.push("quit"),
    logLevels: () => levels,
    setLogLevel: (logger, level) => {
      for (const name of logger === undefined ? levels.keys() : [logger]) levels.set(name, level);
    },
    runtimeLayers: () => [
      { name: "static", values: { "foo.bar": 1, "some.text": "hello" } },
      { name: "admin", values: Object.fromEntries(admin) },
    ],
    modifyRuntime: (values) => {
      for (const [key, value] of Object.entries(values))
        if (value === "") admin.delete(key);
        else admin.set(key, value);
    },
    reopenLogs: () => calls.push("reopen logs"),
    ...overrides,
  };
  return { host, controls };
}
