import { TimerWheel } from "../../base/timer-wheel.ts";
import { StatStore } from "../../stats/stat-store.ts";
import type { AsyncClient, FactoryContext } from "../api.ts";
import type { ToWorker } from "../link.ts";
import { RuntimeValues } from "../runtime-values.ts";
import { ThreadSecrets } from "../secrets.ts";
import { ProbeClusters } from "../upstream/health/probe-clusters.ts";
import { WorkerClusters, type WorkerClustersOptions } from "../upstream/worker-clusters.ts";
import type { Parts } from "./parts.ts";

export interface MainClustersOptions extends Pick<
  WorkerClustersOptions,
  "breakers" | "hostStates" | "onOutlier"
> {
  readonly extensions: Parts["extensions"];
  /** What is the same as where resources are tried out. */
  readonly context: FactoryContext;
  readonly stats: StatStore;
}

/**
 * The clusters as the main thread uses them for calls of its own, configuration streams first of all. They are told
 * what workers are told; those that nobody here asks for cost nothing.
 */
export class MainClusters {
  readonly #clusters: WorkerClusters;
  readonly #runtime = new RuntimeValues(Math.random);
  readonly secrets = new ThreadSecrets();
  /** For active health checks. */
  readonly probes: ProbeClusters;

  constructor(options: MainClustersOptions) {
    const { extensions, context, stats, breakers, hostStates, onOutlier } = options;
    const common = {
      policies: extensions.lb,
      transportSockets: extensions.transportSockets ?? [],
    };
    const factory = {
      ...context,
      runtime: this.#runtime,
      secrets: this.secrets,
      wheel: new TimerWheel(context.clock),
    };
    this.probes = new ProbeClusters({
      ...common,
      factory: { ...factory, stats: new StatStore(() => undefined) },
    });
    this.#clusters = new WorkerClusters({
      ...common,
      factory: { ...factory, stats },
      breakers,
      hostStates,
      ...(onOutlier !== undefined && { onOutlier }),
    });
  }

  get calls(): AsyncClient {
    return this.#clusters.calls;
  }

  /** Takes in what workers are told; most of it does not matter here. */
  apply(message: ToWorker): void {
    if (message.kind === "runtime") this.#runtime.set(message.values);
    else if (message.kind === "secret") this.secrets.apply(message);
    else this.#clusters.apply(message);
  }

  /** Closes all connections. */
  close(): void {
    this.#clusters.close();
  }
}
