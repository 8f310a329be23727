import type { Clock } from "../base/clock.ts";
import { TimerWheel } from "../base/timer-wheel.ts";
import { NetContext } from "../net/net-context.ts";
import { TurnClock } from "../net/turn-clock.ts";
import type { Messages } from "../proto/messages.d.ts";
import { decode } from "../proto/registry.ts";
import { StatStore } from "../stats/stat-store.ts";
import { logFiles } from "./access-log/log-files.ts";
import type { Extensions, FactoryContext } from "./api.ts";
import { withBuiltIns } from "./built-ins.ts";
import { DRAIN_ALL, type FromWorker, type ToWorker, type WorkerInit } from "./link.ts";
import { ListenerManager } from "./listener/listener-manager.ts";
import { createLogger, LogLevels } from "./logger.ts";
import { RuntimeValues } from "./runtime-values.ts";
import { ThreadSecrets } from "./secrets.ts";
import type { Home } from "./upstream/balancing/home-cluster.ts";
import { localityKey } from "./upstream/balancing/localities.ts";
import { WorkerClusters } from "./upstream/worker-clusters.ts";
import { WorkerRoutes } from "./worker-routes.ts";

/** The worker's end of the link; a MessagePort, or a pair of functions in tests. */
export interface WorkerPort {
  post(message: FromWorker): void;
}

/**
 * All that one worker thread runs: listeners, routes, clusters and what they share. `apply` takes the main thread's
 * messages in order.
 */
export class WorkerRuntime {
  readonly factory: FactoryContext;
  readonly listeners: ListenerManager;
  readonly #port: WorkerPort;
  readonly #clock: Clock;
  readonly #stats: StatStore;
  readonly #levels: LogLevels;
  readonly #runtime: RuntimeValues;
  readonly #secrets = new ThreadSecrets();
  readonly #clusters: WorkerClusters;
  readonly #routes: WorkerRoutes;
  readonly #onExit: () => void;

  constructor(
    init: WorkerInit,
    manifest: Extensions,
    port: WorkerPort,
    onExit: () => void = () => {},
    givenClock?: Clock,
  ) {
    const extensions = withBuiltIns(manifest);
    const bootstrap = decode("envoy.config.bootstrap.v3.Bootstrap", init.bootstrap);
    this.#port = port;
    const net = new NetContext();
    const clock = givenClock ?? new TurnClock(net.turn);
    this.#clock = clock;
    this.#onExit = onExit;
    if (init.logFlush !== undefined) logFiles(clock).limits = init.logFlush;
    this.#stats = new StatStore((update) => port.post({ kind: "stats", update }));
    this.#levels = new LogLevels(init.logLevels);
    this.#runtime = new RuntimeValues(Math.random);
    const common = {
      clock,
      wheel: new TimerWheel(clock),
      net,
      stats: this.#stats,
      runtime: this.#runtime,
      secrets: this.#secrets,
      logger: (component: string) =>
        createLogger(component, this.#levels, (level, name, message) =>
          port.post({ kind: "log", level, component: name, message }),
        ),
      random: Math.random,
      node: {
        id: bootstrap.node?.id ?? "",
        cluster: bootstrap.node?.cluster ?? "",
        zone: bootstrap.node?.locality?.zone ?? "",
      },
      workerIndex: init.index,
      localIp: init.localIp,
      ...(init.processSecret !== undefined && { processSecret: init.processSecret }),
    };
    this.#clusters = new WorkerClusters({
      factory: common,
      policies: extensions.lb,
      transportSockets: extensions.transportSockets ?? [],
      home: homeOf(bootstrap),
      breakers: init.breakers,
      hostStates: init.hostStates,
      own: init.own,
      onOutlier: (cluster, found, slot) => port.post({ kind: "outlier", cluster, found, slot }),
    });
    this.factory = { ...common, clusters: this.#clusters, calls: this.#clusters.calls };
    this.#routes = new WorkerRoutes({ extensions, factory: this.factory });
    const drainState = new Int32Array(init.drainState);
    this.listeners = new ListenerManager({
      factory: this.factory,
      extensions,
      routes: this.#routes,
      drainDecision: (modifyOnly) => {
        const share = drainState[modifyOnly ? 1 : 0]!;
        return share !== 0 && (share >= DRAIN_ALL || Math.random() * DRAIN_ALL < share);
      },
      post: (message) => port.post(message),
    });
  }

  /** Takes one message in. */
  apply(message: ToWorker): void {
    switch (message.kind) {
      case "secret":
        this.#secrets.apply(message);
        break;
      case "cluster":
      case "hosts":
      case "host-health":
      case "remove-cluster":
        this.#clusters.apply(message);
        break;
      case "routes":
        this.#routes.set(message.name, message.bytes);
        break;
      case "listener":
        void this.listeners.apply(message);
        break;
      case "remove-listener":
        this.listeners.remove(message.name, message.drainMs, message.closing);
        break;
      case "stop-listening":
        void this.listeners.stopListening(message);
        break;
      case "release-sockets":
        this.listeners.releaseSockets(message.id, message.addresses);
        break;
      case "adopt-sockets":
        this.listeners.adoptSockets(message.sockets);
        break;
      case "sockets":
        this.listeners.takeSockets(message);
        break;
      case "runtime":
        this.#runtime.set(message.values);
        break;
      case "log-levels":
        this.#levels.set(message.levels);
        break;
      case "reopen-logs":
        logFiles(this.#clock).reopenAll();
        break;
      case "flush-stats":
        this.#stats.flush();
        this.#port.post({ kind: "stats-flushed", id: message.id });
        break;
      case "exit":
        this.listeners.close();
        logFiles(this.#clock).flushAll();
        this.#stats.flush();
        this.#onExit();
    }
  }

  /** Saves what others can use before the thread dies of an error: logs, and sockets with clients in their queues. */
  salvage(): void {
    logFiles(this.#clock).flushAll();
    this.#port.post({ kind: "orphaned", sockets: this.listeners.orphanSockets() });
  }

  log(level: string, message: string): void {
    this.#port.post({ kind: "log", level, component: "main", message });
  }
}

/** Undefined without a local cluster. */
function homeOf({ node, clusterManager }: Messages["envoy.config.bootstrap.v3.Bootstrap"]): Home | undefined {
  const cluster = clusterManager?.localClusterName ?? "";
  if (cluster === "") return undefined;
  const { region = "", zone = "", subZone = "" } = node?.locality ?? {};
  return { cluster, locality: localityKey({ region, zone, subZone }) };
}
