import { AdsServer } from "./xds/ads-server.ts";
import { ApiAccess, type ApiAccessFiles } from "./api-access.ts";
import { AuditLog } from "./audit-log.ts";
import { CatalogStore } from "./catalog/catalog-store.ts";
import { controlApi } from "./control-api.ts";
import { ControlMetrics } from "./control-metrics.ts";
import { listenApi } from "./listen-api.ts";
import { followSource } from "./catalog/follow-source.ts";
import { defaultHoldOptions, type HoldOptions } from "./catalog/hold.ts";
import { holdOptionsOf } from "./policy/hold-settings.ts";
import { settingsFor } from "./policy/settings-for.ts";
import { LastGoodKeeper, loadLastGood } from "./catalog/last-good.ts";
import { policyWithoutFile, type MeshPolicy } from "./policy/mesh-policy.ts";
import type { Catalog } from "./model.ts";
import { Configuration } from "./configuration/configuration.ts";
import { configurationApi } from "./configuration/configuration-api.ts";
import { adminAddress, AdminStatsJudge } from "./deployments/admin-stats-judge.ts";
import { DeploymentController } from "./deployments/deployment-controller.ts";
import { ReportedTrafficJudge } from "./deployments/reported-traffic-judge.ts";
import type { TrafficJudge } from "./deployments/traffic-judge.ts";
import { systemClock } from "../base/clock.ts";
import { followPolicy, readPolicy } from "./policy/policy-file.ts";
import { StoreUnavailable, type RevisionStore } from "./store/revision-store.ts";
import { SqliteRevisionStore } from "./store/sqlite-revision-store.ts";
import type { Resource } from "./xds/resource.ts";
import { followSecrets } from "./xds/secret-files.ts";
import { SnapshotBuilder } from "./xds/snapshot.ts";
import { parseSource, sourceNames, type DiscoverySourceDef, type SourceLog } from "./catalog/source.ts";
import { SourceNotes } from "./catalog/source-notes.ts";
import { sources as shippedSources } from "./sources/index.ts";
import { XdsCredentials, type XdsCredentialFiles } from "./xds/xds-credentials.ts";
import { clusterName } from "./views/scope.ts";
import { Traffic, type TrafficSettings } from "./traffic/traffic.ts";
import { UnknownServices } from "./unknown-services.ts";
import { WeftLimits } from "./views/weft-limits.ts";
import type { Ledger } from "../proto/ledger.ts";

export interface XdsOptions extends XdsCredentialFiles {
  /** Age at which a proxy is asked to connect anew, in milliseconds, a tenth added or taken at random; 0 = never. */
  readonly maxConnectionAgeMs?: number;
  /** When it stops, connections are closed one after the other over this time at most, in milliseconds. */
  readonly drainMs?: number;
}

export interface ControlOptions {
  /** `registry:url=http://…`, `file:path=…`; at least one. */
  readonly sources: readonly string[];
  /** Mesh policy file; reloaded when it changes. */
  readonly mesh?: string;
  /** The policy in place of a file. */
  readonly policy?: MeshPolicy;
  readonly host?: string;
  /** Where the API listens; default: as the xDS server. */
  readonly apiHost?: string;
  /** gRPC port; 0 = any. */
  readonly xdsPort?: number;
  /** Folder of certificates and authorities that nodes may ask for by name. */
  readonly secrets?: string;
  /** Who may ask for configuration, and for how long; default: everybody, without TLS. */
  readonly xds?: XdsOptions;
  /** HTTP port; 0 = any. */
  readonly apiPort?: number;
  /** Who may use the API; default: everybody, without TLS. */
  readonly apiAccess?: ApiAccessFiles;
  /** Where the last known good catalog is kept; none = not kept. */
  readonly lastGood?: string;
  readonly hold?: HoldOptions;
  /** How long removed clusters stay with nodes, in milliseconds. */
  readonly lingerMs?: number;
  /** History of the configuration; closed with the control plane. Default: in memory. */
  readonly store?: RevisionStore;
  /** Who tells how deployments go. Default: reports of proxies, or else their statistics. */
  readonly judge?: TrafficJudge;
  /** About load reports and access logs that proxies send. */
  readonly traffic?: TrafficSettings;
  /** What `weft proxy` implements; without it, its nodes get what Envoy gets and refuse what they lack. */
  readonly weft?: readonly Ledger[];
  /** File to which every change of what proxies are told is appended, one JSON object a line. */
  readonly auditLog?: string;
  readonly log: SourceLog;
  readonly shipped?: readonly DiscoverySourceDef[];
}

export interface ControlPlane {
  readonly xdsPort: number;
  readonly apiPort: number;
  close(): Promise<void>;
}

/** Changes that come within this time reach the nodes together. */
const PUSH_DELAY_MS = 20;
const HOLD_CHECK_MS = 1000;
const LINGER_MS = 30_000;
/** So that proxies spread over control planes that come later. */
const MAX_CONNECTION_AGE_MS = 30 * 60_000;

/**
 * Starts a control plane. Throws an Error for a wrong source, a broken policy, an unreadable store or a taken port; the
 * store is closed then as well.
 */
export async function startControl(options: ControlOptions): Promise<ControlPlane> {
  const store = options.store ?? new SqliteRevisionStore({ path: ":memory:" });
  try {
    return await startOver(store, options);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function startOver(store: RevisionStore, options: ControlOptions): Promise<ControlPlane> {
  const { host = "127.0.0.1", mesh } = options;
  const audit = new AuditLog({
    file: options.auditLog,
    onError: (error) => options.log.warn(`cannot write the audit log: ${error.message}`),
  });
  const log = audit.over(options.log);
  const parsed = options.sources.map((text) => parseSource(text, options.shipped ?? shippedSources));
  const names = sourceNames(parsed);
  const fromFile = mesh === undefined ? undefined : await readPolicy(mesh);
  const configuration = await Configuration.open({
    store,
    log,
    now: () => Date.now(),
    fallback: options.policy ?? policyWithoutFile(),
  });
  if (fromFile !== undefined) await takeIfPossible(configuration, fromFile.text, mesh!, log);
  const weft =
    options.weft === undefined
      ? undefined
      : new WeftLimits(options.weft, (text) =>
          log.warn(`weft proxy does not implement ${text}: its nodes do without`),
        );
  const snapshots = new SnapshotBuilder(configuration.policy, options.lingerMs ?? LINGER_MS, weft);
  const stopping = new AbortController();
  const unknown = new UnknownServices(systemClock, log);
  let restored = false;
  let pushTimer: NodeJS.Timeout | undefined;

  const named = parsed.map(({ rule }, i) => ({ name: names[i]!, rule }));
  const holds = options.hold ?? defaultHoldOptions;
  const holdOptions = (service: string) => {
    const settings = settingsFor(configuration.policy, service, catalog.catalog.get(service) ?? []);
    return holdOptionsOf(settings, holds);
  };
  const catalog = new CatalogStore(named, holdOptions, log, (services) => {
    audit.services(services, catalog.catalog);
    snapshots.update({ catalog: catalog.catalog });
    changed();
    lastGood?.changed();
  });
  const ready = () => restored || catalog.unread.length === 0;
  if (options.secrets !== undefined && options.xds?.tls === undefined && !isLoopback(host)) {
    throw new Error(
      `Cannot serve secrets in clear text on ${host}: give the xDS port a certificate (--tls-cert)`,
    );
  }
  const traffic = new Traffic({
    ...options.traffic,
    clusters: () => clustersOf(catalog.catalog),
    clock: systemClock,
    log,
  });
  const metrics = new ControlMetrics(
    { sessions: () => ads.sessions, sources: () => catalog.reports(), historyTrouble: () => store.trouble },
    traffic,
  );
  const credentials = await XdsCredentials.load(options.xds ?? {});
  const ads = new AdsServer({
    host,
    port: options.xdsPort ?? 0,
    log,
    metrics,
    snapshots,
    ready,
    maxConnectionAge: options.xds?.maxConnectionAgeMs ?? MAX_CONNECTION_AGE_MS,
    admit: (call) => credentials.admit(call),
  });
  credentials.apply(ads.grpc);
  traffic.register(ads.grpc);
  const lastGood =
    options.lastGood === undefined
      ? undefined
      : new LastGoodKeeper(
          options.lastGood,
          () => (catalog.unread.length === 0 ? catalog.save() : undefined),
          (error) => log.warn(`cannot save last known good: ${error.message}`),
        );
  function changed(): void {
    if (catalog.unread.length === 0) unknown.look(configuration.policy, catalog.catalog);
    pushTimer ??= setTimeout(() => {
      pushTimer = undefined;
      ads.pushAll();
    }, PUSH_DELAY_MS);
  }

  configuration.onChange = () => {
    snapshots.update({ policy: configuration.policy });
    changed();
  };
  if (options.lastGood !== undefined) restored = await restore(options.lastGood, catalog, log);
  const admins = () => ads.sessions.flatMap(({ node }) => adminAddress(node) ?? []);
  const judge = new ReportedTrafficJudge({
    reports: traffic,
    fallback: new AdminStatsJudge({ admins }),
    now: () => systemClock.wall(),
  });
  const deployments = new DeploymentController({
    configuration,
    catalog: () => catalog.catalog,
    judge: options.judge ?? judge,
    clock: systemClock,
    log,
  });
  const notes = new Map(names.map((name) => [name, new SourceNotes()]));
  const access = await ApiAccess.load(options.apiAccess ?? {});
  const api = controlApi({
    access,
    audit,
    notes,
    policy: () => configuration.policy,
    catalog,
    ads,
    metrics,
    snapshots,
    traffic,
    ready,
    ...(weft !== undefined && { weft }),
    configuration: configurationApi({
      configuration,
      deployments,
      catalog: () => catalog.catalog,
      nodes: () => ads.sessions.map(({ node }) => node),
    }),
  });
  const http = await listenApi(api, options.apiHost ?? host, options.apiPort ?? 0, access.tls);
  let xdsPort: number;
  try {
    xdsPort = await ads.listen();
  } catch (error) {
    http.close();
    deployments.close();
    throw error;
  }
  const running = parsed.map(({ source, options: given }, i) =>
    followSource(source, given, names[i]!, {
      catalog,
      notes: notes.get(names[i]!)!,
      log,
      signal: stopping.signal,
    }),
  );
  running.push(
    configuration.follow(stopping.signal),
    credentials.follow(ads.grpc, log, stopping.signal),
    access.follow(log, stopping.signal, (tls) => http.setTls(tls)),
  );
  if (options.secrets !== undefined) {
    const take = (secrets: readonly Resource[]) => {
      snapshots.update({ secrets });
      changed();
    };
    running.push(followSecrets(options.secrets, log, stopping.signal, take));
  }
  if (mesh !== undefined) {
    running.push(
      followPolicy(mesh, log, stopping.signal, ({ text }) => configuration.takePolicyFile(text, mesh)),
    );
  }
  const holdTimer = setInterval(() => catalog.expireHolds(systemClock.wall()), HOLD_CHECK_MS);
  return {
    xdsPort,
    apiPort: http.port,
    async close() {
      const { drainMs = 0 } = options.xds ?? {};
      if (drainMs > 0) await ads.drain(drainMs);
      stopping.abort();
      clearInterval(holdTimer);
      clearTimeout(pushTimer);
      unknown.close();
      await Promise.all(running);
      deployments.close();
      traffic.close();
      await store.close();
      await lastGood?.close();
      await ads.close();
      http.close();
      await audit.close();
    },
  };
}

/** The file is looked at again and again while it runs, so what the store cannot take now is taken later. */
async function takeIfPossible(
  configuration: Configuration,
  text: string,
  file: string,
  log: SourceLog,
): Promise<void> {
  try {
    await configuration.takePolicyFile(text, file);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    log.warn(`the policy in force is the one of revision ${configuration.revision}: ${error.message}`);
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

async function restore(file: string, catalog: CatalogStore, log: SourceLog): Promise<boolean> {
  try {
    const saved = await loadLastGood(file);
    if (saved === undefined) return false;
    const whole = catalog.restore(saved.catalog);
    log.info(
      whole
        ? `serving the last known good catalog of ${saved.savedAt} until the sources are read`
        : `the last known good catalog of ${saved.savedAt} has other sources: waiting for ${catalog.unread.join(", ")}`,
    );
    return whole;
  } catch (error) {
    log.warn(error instanceof Error ? error.message : String(error));
    return false;
  }
}

/** What a client is asked about that cannot tell of all its clusters. */
function clustersOf(catalog: Catalog): string[] {
  return [...catalog].flatMap(([service, endpoints]) => {
    const versions = new Set(endpoints.map(({ version }) => version).filter((version) => version !== ""));
    return [service, ...[...versions].sort().map((version) => clusterName(service, version))];
  });
}
