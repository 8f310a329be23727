import type { Counter } from "../../../stats/stat-store.ts";
import type { Host, LoadBalancer, PickContext } from "../../api.ts";
import { HostSet, type HostSetOptions } from "../hosts/host-set.ts";
import type { UpstreamHost } from "../hosts/host.ts";
import { priorityLoads, type PriorityLoad } from "./priority-load.ts";

export interface PriorityOptions extends HostSetOptions {
  /** Percent; see `priorityLoads`. */
  readonly panicThreshold: number;
  /** In panic nobody is picked, rather than anybody. */
  readonly failTrafficOnPanic: boolean;
  /** Counts picks in panic. */
  readonly inPanic: Counter;
}

/** Chooses a priority by its share of the load, then a host in it. Made anew when hosts or their health change. */
export class PriorityBalancer implements LoadBalancer {
  readonly #sets: readonly HostSet[];
  readonly #loads: readonly PriorityLoad[];
  readonly #options: PriorityOptions;

  constructor(hosts: Iterable<UpstreamHost>, options: PriorityOptions) {
    const byPriority: UpstreamHost[][] = [];
    for (const host of hosts) {
      while (byPriority.length <= host.priority) byPriority.push([]);
      byPriority[host.priority]!.push(host);
    }
    if (byPriority.length === 0) byPriority.push([]);
    this.#options = options;
    // As in Envoy, zones matter in the first priority alone.
    const others = { ...options, zones: undefined };
    this.#sets = byPriority.map((members, i) => new HostSet(members, i === 0 ? options : others));
    const counts = this.#sets.map((set) => ({
      total: set.hosts.length,
      healthy: set.healthy.length,
      degraded: set.degraded.length,
    }));
    this.#loads = priorityLoads(counts, options.overprovisioning, options.panicThreshold);
  }

  pick(context: PickContext): Host | undefined {
    const loads = this.#loads;
    const first = loads[0]!;
    if (first.healthy === 100) return this.#pickFrom(0, true, context);
    const roll = Math.floor(this.#options.random() * 100) + 1;
    let reached = 0;
    for (let i = 0; i < loads.length; i++) {
      reached += loads[i]!.healthy;
      if (roll <= reached) return this.#pickFrom(i, true, context);
    }
    for (let i = 0; i < loads.length; i++) {
      reached += loads[i]!.degraded;
      if (roll <= reached) return this.#pickFrom(i, false, context);
    }
    return undefined;
  }

  #pickFrom(priority: number, healthy: boolean, context: PickContext): Host | undefined {
    const set = this.#sets[priority]!;
    if (!this.#loads[priority]!.panic) return set.pick(healthy ? "healthy" : "degraded", context);
    const { inPanic, failTrafficOnPanic } = this.#options;
    inPanic.inc();
    return failTrafficOnPanic ? undefined : set.pick("all", context);
  }
}
