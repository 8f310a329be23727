import { randomBytes } from "node:crypto";
import { systemClock, type Clock } from "../../base/clock.ts";
import { encode } from "../../proto/registry.ts";
import { reportUnsupported } from "../../proto/unsupported.ts";
import type { SourceMap } from "../../proto/source-map.ts";
import { visitStaticResources } from "./static-resources.ts";
import { MergedStats } from "../../stats/merged-stats.ts";
import { StatStore } from "../../stats/stat-store.ts";
import type { FactoryContext } from "../api.ts";
import type { AdminHost, ServerState } from "../admin/admin-host.ts";
import type { Bootstrap } from "../bootstrap.ts";
import {
  BREAKER_WORDS,
  HOST_WORDS,
  MAX_CLUSTERS,
  MAX_HOSTS,
  type BindAddress,
  type ToWorker,
} from "../link.ts";
import type { ProxyOptions } from "../options.ts";
import { BreakerGauges } from "../upstream/breaker-gauges.ts";
import type { Successor } from "../hot-restart/successor.ts";
import type { ParkedSocket } from "../hot-restart/parked-socket.ts";
import { HostResolver } from "../upstream/hosts/host-resolver.ts";
import { ClusterManager } from "./cluster-manager.ts";
import { commandLine } from "./command-line.ts";
import { ConfigSources, serversOf } from "./config-sources.ts";
import { DrainManager } from "./drain-manager.ts";
import { adminReports } from "./admin-view.ts";
import { certificateReports } from "./certificate-reports.ts";
import { HealthCheckers } from "./health-checkers.ts";
import { ListenerManager } from "./listener-manager.ts";
import { checkInlineRoutes } from "./listener-parts.ts";
import { LoadReporter } from "./load-reporter.ts";
import { localIp } from "./local-ip.ts";
import { parseLogLevel } from "./log-format.ts";
import { MainClusters } from "./main-clusters.ts";
import { checkContext, WORKER_URL, type Parts } from "./parts.ts";
import { OutlierDetectors } from "./outlier-detectors.ts";
import { PortHolder } from "./port-holder.ts";
import type { ProcessLog } from "./process-log.ts";
import { RouteManager } from "./route-manager.ts";
import { RuntimeLayers } from "./runtime-layers.ts";
import { sdsConfigsOfCluster, sdsConfigsOfListener } from "./sds-configs.ts";
import { SecretManager } from "./secret-manager.ts";
import { declareServerStats, openConnections, refreshServerStats } from "./server-stats.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface ProxySetup {
  readonly options: ProxyOptions;
  readonly bootstrap: Bootstrap;
  /** Where its fields were written. */
  readonly source: SourceMap;
  readonly concurrency: number;
  readonly log: ProcessLog;
  readonly manifest?: string;
  readonly clock?: Clock;
}

/** A proxy's main thread: owns the managers and the workers, and is what the admin endpoints talk to. */
export class Proxy {
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly routes: RouteManager;
  readonly secrets: SecretManager;
  /** Resolves with the exit code once everything is closed. */
  readonly closed: Promise<number>;
  readonly #setup: ProxySetup;
  readonly #clock: Clock;
  readonly #parts: Parts;
  readonly #merged = new MergedStats();
  readonly #stats: StatStore;
  readonly #breakerGauges: BreakerGauges;
  readonly #texts = new Map<string, string>();
  readonly #pool: WorkerPool;
  readonly #own: MainClusters;
  readonly #ports: PortHolder;
  readonly #sources: ConfigSources;
  readonly #runtime: RuntimeLayers;
  readonly #outliers: OutlierDetectors;
  readonly #drain: DrainManager;
  readonly #hostStates = new SharedArrayBuffer(MAX_HOSTS * HOST_WORDS * 4);
  readonly #breakers = new SharedArrayBuffer(MAX_CLUSTERS * BREAKER_WORDS * 4);
  readonly #startedAt: number;
  readonly #checkContext: FactoryContext;
  readonly #exit = Promise.withResolvers<number>();
  #phase: "PRE_INITIALIZING" | "INITIALIZING" | "LIVE" = "PRE_INITIALIZING";
  /** Whose counters are added to ours. */
  #predecessor: Successor | undefined;
  #closing = false;
  #loadReporter: LoadReporter | undefined;

  /** Starts the workers. Throws an Error if the runtime's layers cannot be read. */
  constructor(setup: ProxySetup, parts: Parts) {
    const { options, bootstrap, concurrency, log } = setup;
    this.#setup = setup;
    this.#parts = parts;
    this.#clock = setup.clock ?? systemClock;
    this.#startedAt = this.#clock.now();
    this.closed = this.#exit.promise;
    this.#stats = new StatStore((update) => this.#merged.update("main", update));
    this.#breakerGauges = new BreakerGauges(this.#stats, this.#breakers);
    declareServerStats(this.#merged, concurrency);
    this.#runtime = new RuntimeLayers(bootstrap.layeredRuntime, bootstrap.node?.cluster ?? "");
    this.#drain = new DrainManager(options, this.#clock, log.logger("main"), {
      openConnections: () => openConnections(this.#merged),
      stopListening: (how) => this.#pool.stopListening(how),
      close: () => void this.close(),
    });
    this.#ports = new PortHolder(options.restartEpoch > 0);
    this.#pool = this.#startWorkers();
    const node = bootstrap.node!;
    this.#checkContext = checkContext({
      clock: this.#clock,
      node: { id: node.id, cluster: node.cluster, zone: node.locality?.zone ?? "" },
      localIp: localIp(options.localAddressIpVersion),
      logger: (component) => log.logger(component),
    });
    const checks = parts.checks(this.#checkContext);
    this.#own = new MainClusters({
      extensions: parts.extensions,
      context: this.#checkContext,
      stats: this.#stats,
      breakers: this.#breakers,
      hostStates: this.#hostStates,
      onOutlier: (cluster, kind, slot) => this.#outliers.onConsecutive(cluster, kind, slot),
    });
    this.#sources = new ConfigSources({
      adsConfig: bootstrap.dynamicResources?.adsConfig,
      node,
      calls: this.#own.calls,
      clock: this.#clock,
      random: Math.random,
      stats: this.#stats,
      logger: (component) => log.logger(component),
      check: (message) => this.#refuseUnsupported(message),
    });
    const common = {
      open: this.#sources.watch.bind(this.#sources),
      broadcast: (message: ToWorker) => this.#tell(message),
      broadcastListener: this.#pool.broadcastListener.bind(this.#pool),
      closing: this.#pool.closing.bind(this.#pool),
      stats: this.#stats,
      merged: this.#merged,
      texts: this.#texts,
      clock: this.#clock,
      logger: (component: string) => log.logger(component),
    };
    this.#outliers = new OutlierDetectors({ ...common, hostStates: this.#hostStates, random: Math.random });
    const checkers = new HealthCheckers({
      ...common,
      clusters: this.#own.probes,
      operators: parts.extensions.operators,
      hostStates: this.#hostStates,
      random: Math.random,
      onHealthy: (cluster, slot) => this.#outliers.onHealthy(cluster, slot),
    });
    this.secrets = new SecretManager({ ...common, check: (secret) => checks.secret(secret) });
    const known = (): Set<string> => new Set(this.clusters.clusters.keys());
    this.clusters = new ClusterManager({
      ...common,
      secrets: this.secrets,
      outliers: this.#outliers,
      checkers,
      onWarming: (some) => this.#sources.holdClusters(some),
      check: (message, dynamic) => {
        this.secrets.verify(sdsConfigsOfCluster(message));
        // Static resources were looked through with the bootstrap.
        if (dynamic) this.#refuseUnsupported(message);
        checks.cluster(message);
      },
      resolver: (events) =>
        new HostResolver({ ...common, hostStates: this.#hostStates, random: Math.random }, events),
    });
    this.routes = new RouteManager({
      ...common,
      check: (message) => checks.routes(message, message.validateClusters === true ? known() : undefined),
      forget: (name) => this.#pool.forgetRoutes(name),
    });
    this.listeners = new ListenerManager({
      ...common,
      routes: this.routes,
      secrets: this.secrets,
      ports: this.#ports,
      check: (message, dynamic) => {
        this.secrets.verify(sdsConfigsOfListener(message));
        if (dynamic) this.#refuseUnsupported(message);
        checks.listener(message);
        checkInlineRoutes(message, (config) => checks.routes(config, known()));
      },
      workers: concurrency,
      drainTime: options.drainTime,
    });
    this.#setGlobals(concurrency);
  }

  /** Milliseconds since the start. */
  get uptime(): number {
    return this.#clock.now() - this.#startedAt;
  }

  get state(): ServerState {
    return this.#drain.draining ? "DRAINING" : this.#phase;
  }

  /** Takes over the static resources. Throws an Error with all that is wrong. */
  addStatic(): void {
    const log = this.#setup.log.logger("config");
    const names = { secrets: "static secret(s)", clusters: "cluster(s)", listeners: "listener(s)" };
    const problems = visitStaticResources(this.#setup, {
      begin: (kind, count) => log.info(`loading ${count} ${names[kind]}`),
      secret: (secret) => this.secrets.addStatic(secret),
      cluster: (cluster) => this.clusters.addStatic(cluster),
      listener: (listener) => this.listeners.addStatic(listener),
    });
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }

  /**
   * Clusters, then listeners, then traffic. Rejects if a static listener cannot listen.
   * @param predecessor the generation that this one takes over from
   */
  async start(predecessor?: Successor): Promise<void> {
    const { bootstrap, log } = this.#setup;
    this.#tell({ kind: "runtime", values: this.#runtime.merged() });
    await this.clusters.initialise(bootstrap.dynamicResources?.cdsConfig);
    if (this.#closing) return;
    this.#reportLoads();
    this.#phase = "INITIALIZING";
    log.logger("main").info("all clusters initialized. initializing init manager");
    await this.listeners.initialise(bootstrap.dynamicResources?.ldsConfig);
    await this.#pool.ready;
    if (this.#closing) return;
    log.logger("config").info("all dependencies initialized. starting workers");
    await this.listeners.serve(await predecessor?.takeSockets(this.listeners.warmAddresses()));
    if (predecessor !== undefined && !this.#setup.options.skipHotRestartParentStats)
      this.#countOn(predecessor);
    this.#stats.gauge("listener_manager.workers_started").set(1);
    this.#phase = "LIVE";
    this.#stats.histogram("server.initialization_time_ms").record(this.uptime);
    log.logger("main").info("starting main dispatch loop");
  }

  /** Stops accepting, lets open connections finish, then closes. A second call closes at once. */
  drain(): void {
    if (this.#drain.leaving || this.#phase !== "LIVE") void this.close();
    else this.#drain.shutDown();
  }

  /** Lets another generation serve: drains what is open, then closes. */
  retire(): void {
    if (this.#phase === "LIVE") this.#drain.retire();
    else void this.close();
  }

  /** Takes the sockets of these addresses from the workers, for another process. */
  releaseSockets(addresses: readonly BindAddress[]): Promise<ParkedSocket[]> {
    return this.#pool.releaseSockets(addresses);
  }

  /** Accepts again on a socket that was released. */
  takeBack(socket: ParkedSocket): void {
    this.#pool.adopt(socket);
  }

  /** Counters that are not 0. */
  async counters(): Promise<Map<string, number>> {
    await this.#prepareStats();
    return new Map([...this.#merged.snapshot().counters].filter(([, value]) => value > 0));
  }

  /** Closes everything now. */
  async close(code = 0): Promise<number> {
    if (this.#closing) return this.closed;
    this.#closing = true;
    this.clusters.close();
    this.listeners.close();
    this.routes.close();
    this.secrets.close();
    this.#sources.close();
    this.#loadReporter?.close();
    this.#own.close();
    await this.#pool.stop();
    this.#ports.close();
    this.#setup.log.logger("main").info("exiting");
    this.#exit.resolve(code);
    return this.closed;
  }

  /** What the admin endpoints are given. */
  adminHost(): AdminHost {
    const { bootstrap, options, log, concurrency } = this.#setup;
    return {
      bootstrap,
      node: bootstrap.node!,
      commandLine: commandLine(options, concurrency),
      uptime: () => this.uptime,
      state: () => this.state,
      prepareStats: () => this.#prepareStats(),
      statChunks: () => this.#merged.chunks(),
      usedHistograms: () => this.#merged.usedHistograms(),
      statsTags: () => options.statsTags,
      store: this.#stats,
      textReadouts: () => this.#texts,
      resetCounters: () => this.#merged.resetCounters(),
      ...this.#reports(),
      certificates: () => this.#certificates(),
      setHealthcheckFailed: (failed) => {
        this.#drain.healthcheckFailed = failed;
      },
      drainListeners: (how) => this.#drain.drainListeners(how),
      quit: () => void this.close(),
      logLevels: () => new Map(Object.entries(log.levels())),
      setLogLevel: (logger, text) => this.#setLogLevel(logger, text),
      runtimeLayers: () => this.#runtime.layers(),
      modifyRuntime: (values) => this.#modifyRuntime(values),
      reopenLogs: () => this.reopenLogs(),
    };
  }

  /** Opens access logs and the process log anew, after rotation. */
  reopenLogs(): void {
    this.#setup.log.reopen();
    this.#pool.broadcast({ kind: "reopen-logs" });
  }

  /** Tells the workers, and what of this thread works like them. */
  #tell(message: ToWorker): void {
    this.#own.apply(message);
    this.#pool.broadcast(message);
  }

  /** Counters go on from where the generation before is. */
  #countOn(predecessor: Successor): void {
    this.#predecessor = predecessor;
    predecessor.followCounters((name, delta) => this.#stats.counter(name).add(delta));
    void predecessor.askCounters();
  }

  /** Brings in what workers have counted, and what only this thread can tell. */
  async #prepareStats(): Promise<void> {
    await Promise.all([this.#pool.flushStats(), this.#predecessor?.askCounters()]);
    refreshServerStats(this.#merged, this.#stats, this.state, this.uptime, this.#clock.wall());
    for (const { active, slot } of this.clusters.clusters.values())
      if (active !== undefined) this.#breakerGauges.update(active.message, slot);
    this.#stats.flush();
  }

  #startWorkers(): WorkerPool {
    const { options, bootstrap, concurrency, log, manifest } = this.#setup;
    return new WorkerPool({
      url: WORKER_URL,
      init: {
        concurrency,
        bootstrap: withoutStaticResources(bootstrap),
        breakers: this.#breakers,
        hostStates: this.#hostStates,
        drainState: this.#drain.state,
        logLevels: this.#logLevels(),
        logPath: options.logPath,
        logFlush: { bytes: options.fileFlushMinSizeKb * 1024, after: options.fileFlushInterval },
        localIp: localIp(options.localAddressIpVersion),
        processSecret: randomBytes(32),
        ...(manifest === undefined ? {} : { manifest }),
      },
      stats: this.#merged,
      log,
      clock: this.#clock,
      onMessage: (_worker, message) => {
        if (message.kind === "outlier")
          this.#outliers.onConsecutive(message.cluster, message.found, message.slot);
        else this.listeners.onWorker(message);
      },
      onCrash: () => {
        this.#stats.counter("server.worker_crashes").inc();
        this.listeners.onWorkerGone();
      },
    });
  }

  #reports(): ReturnType<typeof adminReports> {
    return adminReports(this.clusters, this.listeners, this.routes, this.#hostStates, this.#outliers);
  }

  #reportLoads(): void {
    const { bootstrap, log } = this.#setup;
    const config = bootstrap.clusterManager?.loadStatsConfig;
    if (config === undefined) return;
    const [server] = serversOf(config, this.#own.calls);
    if (server === undefined)
      throw new Error("cluster_manager.load_stats_config: no grpc_services to report to");
    const { clusters } = this.#reports();
    this.#loadReporter = new LoadReporter({
      server,
      node: bootstrap.node!,
      clusters,
      stats: this.#stats,
      clock: this.#clock,
      log: log.logger("upstream"),
      random: Math.random,
    });
  }

  #refuseUnsupported(message: Parameters<typeof reportUnsupported>[0]): void {
    const found = reportUnsupported(message, this.#parts.ledgers);
    if (found.length === 0) return;
    const text = found.map(({ path, message: problem }) => `${problem} (at ${path})`).join("; ");
    if (!this.#setup.options.allowUnsupported) throw new Error(text);
    this.#stats.counter("server.dynamic_unsupported_fields").add(found.length);
    this.#setup.log.logger("config").warn(text);
  }

  #certificates(): readonly unknown[] {
    const current = <M>(states: Iterable<{ readonly active?: { readonly message: M } | undefined }>): M[] =>
      [...states].flatMap(({ active }) => (active === undefined ? [] : [active.message]));
    return certificateReports(
      current(this.clusters.clusters.values()),
      current(this.listeners.listeners.values()),
      this.#parts.extensions,
      this.#checkContext,
    );
  }

  #setLogLevel(component: string | undefined, text: string): void {
    const { log } = this.#setup;
    const level = parseLogLevel(text);
    if (level === undefined) throw new Error("unknown logger level");
    if (component === undefined) log.setAll(level);
    else if (!log.setLevel(component, level)) throw new Error("unknown logger name");
    this.#pool.broadcast({ kind: "log-levels", levels: this.#logLevels() });
  }

  #logLevels(): Record<string, string> {
    const { log, options } = this.#setup;
    return { "": options.logLevel, ...log.levels() };
  }

  #modifyRuntime(values: Readonly<Record<string, string>>): void {
    if (!this.#runtime.modify(Object.entries(values))) throw new Error("No admin layer specified");
    this.#setGlobals(this.#setup.concurrency);
    this.#stats.counter("runtime.load_success").inc();
    this.#tell({ kind: "runtime", values: this.#runtime.merged() });
  }

  #setGlobals(concurrency: number): void {
    const server = this.#stats.scope("server.");
    server.gauge("concurrency").set(concurrency);
    server.gauge("hot_restart_epoch").set(this.#setup.options.restartEpoch);
    server.gauge("hot_restart_generation").set(this.#setup.options.restartEpoch + 1);
    server.gauge("version").set(Number(this.#setup.bootstrap.statsServerVersionOverride ?? 0));
    const runtime = this.#stats.scope("runtime.");
    runtime.gauge("num_keys").set(Object.keys(this.#runtime.merged()).length);
    runtime.gauge("num_layers").set(this.#runtime.layers().length);
    runtime.gauge("admin_overrides_active").set(this.#runtime.overrides > 0 ? 1 : 0);
  }
}

/** What workers need of the bootstrap: the rest comes as messages and may be large. */
function withoutStaticResources(bootstrap: Bootstrap): Uint8Array {
  const rest: Bootstrap = { ...bootstrap };
  delete rest.staticResources;
  return encode("envoy.config.bootstrap.v3.Bootstrap", rest);
}
