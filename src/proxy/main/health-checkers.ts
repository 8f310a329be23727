import type { Clock } from "../../base/clock.ts";
import { encode, type MessageOf } from "../../proto/registry.ts";
import type { MergedStats } from "../../stats/merged-stats.ts";
import type { StatStore } from "../../stats/stat-store.ts";
import type { Logger, OperatorDef } from "../api.ts";
import { HOST_FAILED, HOST_FIELDS, HOST_WORDS, type HostSpec } from "../link.ts";
import { clusterStatPrefix } from "../upstream/cluster-stats.ts";
import { HealthChecker } from "../upstream/health/health-checker.ts";
import type { ProbeClusters } from "../upstream/health/probe-clusters.ts";

type ClusterMessage = MessageOf<"envoy.config.cluster.v3.Cluster">;

export interface HealthCheckersOptions {
  readonly clusters: ProbeClusters;
  readonly operators: readonly OperatorDef[];
  readonly hostStates: SharedArrayBuffer;
  readonly stats: StatStore;
  readonly merged: MergedStats;
  readonly clock: Clock;
  logger(component: string): Logger;
  /** Uniform in [0, 1). */
  random(): number;
  /** A host of a cluster was found fit. */
  onHealthy(cluster: string, slot: number): void;
}

interface Entry {
  readonly checkers: readonly HealthChecker[];
  /** What they are configured by; an update that says the same changes nothing. */
  readonly config: Uint8Array;
  readonly known: Set<number>;
  /** Told once, when each host has had a result. */
  onSettled: (() => void) | undefined;
}

/** The active health checks of all clusters that ask for them. */
export class HealthCheckers {
  /** The health of some of a cluster's hosts changed. */
  onChange: (cluster: string) => void = () => {};
  readonly #options: HealthCheckersOptions;
  readonly #states: Int32Array;
  readonly #entries = new Map<string, Entry>();

  constructor(options: HealthCheckersOptions) {
    this.#options = options;
    this.#states = new Int32Array(options.hostStates);
  }

  /**
   * Takes over a cluster's checks. Hosts of a cluster that is new are out of use until a check says otherwise; those of
   * one that is known stay as they are.
   * @param onSettled told when each host has had a result, or has none to wait for
   */
  setCluster(
    message: ClusterMessage,
    hosts: readonly HostSpec[],
    isNew: boolean,
    onSettled: () => void,
  ): void {
    const { name, healthChecks } = message;
    const known = this.#entries.get(name);
    const config = checksOf(message);
    if (known !== undefined && Buffer.compare(known.config, config) === 0) {
      known.onSettled = onSettled;
      this.#settle(known);
      return;
    }
    if (known !== undefined) this.#end(name, known, healthChecks.length === 0);
    if (healthChecks.length === 0) {
      onSettled();
      return;
    }
    const { stats, merged, clock, random, logger, clusters, operators, onHealthy } = this.#options;
    const prefix = clusterStatPrefix(message.altStatName || name);
    const entry: Entry = {
      config,
      known: new Set(isNew ? [] : hosts.map(({ slot }) => slot)),
      onSettled,
      checkers: healthChecks.map(
        (each, index) =>
          new HealthChecker({
            cluster: message,
            config: each,
            index,
            clusters,
            operators,
            scope: stats.scope(prefix),
            hostStates: this.#states,
            clock,
            log: logger("hc"),
            random,
            used: () => merged.isUsed(`${prefix}upstream_cx_total`),
            onChange: () => this.onChange(name),
            onHealthy: (slot) => onHealthy(name, slot),
            onChecked: () => this.#settle(entry),
          }),
      ),
    };
    this.#entries.set(name, entry);
    this.setHosts(name, hosts);
    this.#settle(entry);
  }

  /** The hosts of a cluster now: new ones are out of use until they were checked. */
  setHosts(cluster: string, hosts: readonly HostSpec[]): void {
    const entry = this.#entries.get(cluster);
    if (entry === undefined) return;
    let marked = false;
    for (const { slot, healthCheck } of hosts) {
      if (entry.known.has(slot) || healthCheck?.disabled === true) continue;
      marked = true;
      this.#mark(slot, HOST_FAILED.activeCheck);
    }
    entry.known.clear();
    for (const { slot } of hosts) entry.known.add(slot);
    for (const checker of entry.checkers) checker.setHosts(hosts);
    if (marked) this.onChange(cluster);
  }

  /** Whether a host is checked and fit, so that it may stay although nobody lists it any longer. */
  passes(cluster: string, slot: number): boolean {
    const entry = this.#entries.get(cluster);
    if (entry === undefined || !entry.known.has(slot)) return false;
    return (Atomics.load(this.#states, at(slot)) & HOST_FAILED.activeCheck) === 0;
  }

  remove(cluster: string): void {
    const entry = this.#entries.get(cluster);
    if (entry !== undefined) this.#end(cluster, entry, true);
  }

  close(): void {
    for (const [name, entry] of this.#entries) this.#end(name, entry, false);
    this.#options.clusters.close();
  }

  /** @param forget nothing checks the hosts any longer: they are fit again */
  #end(name: string, entry: Entry, forget: boolean): void {
    for (const checker of entry.checkers) checker.close();
    this.#entries.delete(name);
    if (!forget) return;
    for (const slot of entry.known)
      Atomics.and(this.#states, at(slot), ~(HOST_FAILED.activeCheck | HOST_FAILED.degraded));
    this.onChange(name);
  }

  #settle(entry: Entry): void {
    if (entry.onSettled === undefined || !entry.checkers.every(({ settled }) => settled)) return;
    const { onSettled } = entry;
    entry.onSettled = undefined;
    onSettled();
  }

  #mark(slot: number, bit: number): void {
    Atomics.or(this.#states, at(slot), bit);
  }
}

function at(slot: number): number {
  return slot * HOST_WORDS + HOST_FIELDS.failed;
}

/** What of a cluster decides how it is checked. */
function checksOf(message: ClusterMessage): Uint8Array {
  const parts = message.healthChecks.map((each) => encode("envoy.config.core.v3.HealthCheck", each));
  if (message.transportSocket !== undefined)
    parts.push(encode("envoy.config.core.v3.TransportSocket", message.transportSocket));
  return Buffer.concat(parts);
}
