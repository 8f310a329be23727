import type { MessageOf } from "../../proto/registry.ts";
import type { HistogramView } from "../../stats/histogram.ts";
import type { StatSnapshot } from "../../stats/merged-stats.ts";
import type { StatStore } from "../../stats/stat-store.ts";

export type ServerState = "LIVE" | "DRAINING" | "PRE_INITIALIZING" | "INITIALIZING";

/** Where a resource came from and how it fares, for /config_dump. */
export interface ResourceStatus<M> {
  readonly name: string;
  readonly resource: M;
  /** "" for static resources. */
  readonly version: string;
  /** Wall clock, milliseconds. */
  readonly lastUpdated: number;
  /** Delivered by xDS, not written in the bootstrap. */
  readonly dynamic: boolean;
  readonly state: "active" | "warming" | "draining";
  /** The last update that was refused, and why. */
  readonly error: { readonly details: string; readonly at: number; readonly version: string } | undefined;
}

/** One endpoint in /clusters. */
export interface HostReport {
  readonly address: string;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly canary: boolean;
  /** EDS health, as the source says. */
  readonly health: "healthy" | "unhealthy" | "degraded" | "draining";
  /** Bits: 1 = failed active health check, 2 = ejected as an outlier. */
  readonly failed: number;
  /** Of outlier detection: percent of requests of the last interval that went well; absent = not known. */
  readonly successRate?: number | undefined;
  readonly localOriginSuccessRate?: number | undefined;
  readonly cxActive: number;
  readonly cxTotal: number;
  readonly cxConnectFail: number;
  readonly rqActive: number;
  readonly rqTotal: number;
  readonly rqError: number;
  readonly rqSuccess: number;
  readonly rqTimeout: number;
  /** Requests that wait for a connection; 0 if not given. */
  readonly rqPendingActive?: number;
}

/** One cluster in /clusters. */
export interface ClusterReport {
  readonly name: string;
  readonly observabilityName: string;
  readonly addedViaApi: boolean;
  readonly edsServiceName: string;
  readonly cluster: MessageOf<"envoy.config.cluster.v3.Cluster">;
  readonly hosts: readonly HostReport[];
  /** Of outlier detection, if the cluster has it. */
  readonly rates?: { readonly external: RateFigures; readonly local: RateFigures } | undefined;
}

/** Percent of requests of the last interval that went well; -1 = not known. */
export interface RateFigures {
  /** Of all hosts. */
  readonly average: number;
  /** Below which a host is ejected. */
  readonly threshold: number;
}

export interface ListenerReport {
  readonly name: string;
  /** "ip:port", first the main address. */
  readonly addresses: readonly string[];
}

export interface RuntimeLayer {
  readonly name: string;
  readonly values: Readonly<Record<string, string | number | boolean>>;
}

/** What the admin endpoints need of the main thread; implemented by the proxy's server. */
export interface AdminHost {
  readonly bootstrap: MessageOf<"envoy.config.bootstrap.v3.Bootstrap">;
  readonly node: MessageOf<"envoy.config.core.v3.Node">;
  /** Effective command line, proto field names of envoy.admin.v3.CommandLineOptions. */
  readonly commandLine: Readonly<Record<string, unknown>>;
  /** Monotonic milliseconds since the start. */
  uptime(): number;
  state(): ServerState;
  /** Brings stats up to date; awaited before any of the following are called. */
  prepareStats?(): Promise<void>;
  /** All numbers in pieces, see MergedStats.chunks. */
  statChunks(): Iterable<StatSnapshot>;
  /** Histograms with samples (MergedStats.usedHistograms); read once per flush interval. */
  usedHistograms(): Iterable<readonly [name: string, view: HistogramView]>;
  /** Tags of --stats-tag and stats_config.stats_tags, for all Prometheus stats. */
  statsTags?(): readonly { readonly name: string; readonly value: string }[];
  /** Where the admin server counts its own connections and requests; nowhere if absent. */
  readonly store?: StatStore;
  /** String-valued stats, such as control_plane.identifier and cluster.x.version_text. */
  textReadouts(): ReadonlyMap<string, string>;
  resetCounters(): void;
  clusters(): readonly ClusterReport[];
  listeners(): readonly ListenerReport[];
  clusterResources(): readonly ResourceStatus<MessageOf<"envoy.config.cluster.v3.Cluster">>[];
  listenerResources(): readonly ResourceStatus<MessageOf<"envoy.config.listener.v3.Listener">>[];
  routeResources(): readonly ResourceStatus<MessageOf<"envoy.config.route.v3.RouteConfiguration">>[];
  endpointResources(): readonly ResourceStatus<MessageOf<"envoy.config.endpoint.v3.ClusterLoadAssignment">>[];
  /** Last accepted version per type, e.g. for clusters and listeners. */
  typeVersion(type: "clusters" | "listeners"): string;
  /**
   * Elements of /certs as JSON of envoy.admin.v3.Certificate, one per TLS context: {"ca_cert": [], "cert_chain": [{"path",
   * "serial_number", "subject_alt_names", "days_until_expiration", "valid_from", "expiration_time"}]}; none if absent.
   */
  certificates?(): readonly unknown[];
  /** Targets that initialisation waits for. */
  initTargets(): readonly { readonly name: string; readonly targets: readonly string[] }[];
  setHealthcheckFailed(failed: boolean): void;
  drainListeners(options: {
    readonly graceful: boolean;
    readonly skipExit: boolean;
    readonly inboundOnly: boolean;
  }): void;
  /** Exits at once, as POST /quitquitquit. */
  quit(): void;
  logLevels(): ReadonlyMap<string, string>;
  /** Throws an Error for an unknown logger or level. `undefined` = all loggers. */
  setLogLevel(logger: string | undefined, level: string): void;
  runtimeLayers(): readonly RuntimeLayer[];
  /** "" deletes a key. Throws an Error when there is no admin layer. */
  modifyRuntime(values: Readonly<Record<string, string>>): void;
  reopenLogs(): void;
}
