import { encode, type MessageOf } from "../../proto/registry.ts";
import { textWithPath } from "../../proto/within.ts";
import type { MergedStats } from "../../stats/merged-stats.ts";
import { CLUSTER_STATS } from "../../stats/stat-names/cluster.ts";
import { declareStats } from "../../stats/stat-names/stat-names.ts";
import type { StatScope, StatStore } from "../../stats/stat-store.ts";
import type { Resource } from "../../xds/source.ts";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../api.ts";
import { MAX_CLUSTERS, type HostSpec, type ToWorker } from "../link.ts";
import type { HostResolver, HostResolverEvents } from "../upstream/hosts/host-resolver.ts";
import type { HealthCheckers } from "./health-checkers.ts";
import type { OutlierDetectors } from "./outlier-detectors.ts";
import { sdsConfigsOfCluster } from "./sds-configs.ts";
import type { SecretLease, SecretManager } from "./secret-manager.ts";
import { Subscription, type ConfigSource, type OpenWatch } from "./subscription.ts";

export type ClusterMessage = MessageOf<"envoy.config.cluster.v3.Cluster">;
type Assignment = MessageOf<"envoy.config.endpoint.v3.ClusterLoadAssignment">;

/** envoy.config.cluster.v3.Cluster.DiscoveryType.EDS */
const EDS = 3;

/** One version of a cluster's configuration. */
export interface ClusterVersion {
  readonly message: ClusterMessage;
  readonly bytes: Uint8Array;
  /** Of the CDS response; "" for static ones. */
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly updated: number;
  /** What its connections need. */
  readonly secrets: SecretLease;
  /** What promotion still waits for. */
  readonly waits: { hosts: boolean; secrets: boolean; checks: boolean };
}

/** A cluster and where it stands. */
export interface ClusterState {
  readonly name: string;
  readonly dynamic: boolean;
  /** What workers use. */
  active: ClusterVersion | undefined;
  /** What will be used once its hosts are known. */
  warming: ClusterVersion | undefined;
  hosts: readonly HostSpec[];
  overprovisioning: number;
  readonly slot: number;
  /** Last assignment by EDS. */
  assignment:
    | { readonly message: Assignment; readonly version: string; readonly updated: number }
    | undefined;
  eds: Subscription | undefined;
}

export interface ClusterManagerOptions {
  resolver(events: HostResolverEvents): HostResolver;
  readonly open: OpenWatch;
  /** Throws an Error with Envoy's text if a worker would not take the cluster. */
  check(cluster: ClusterMessage, dynamic: boolean): void;
  broadcast(message: ToWorker): void;
  /** After the start: the first cluster begins to warm (true), the last one is done (false). */
  onWarming(some: boolean): void;
  readonly secrets: SecretManager;
  readonly outliers: OutlierDetectors;
  readonly checkers: HealthCheckers;
  readonly stats: StatStore;
  readonly merged: MergedStats;
  readonly texts: Map<string, string>;
  readonly clock: Clock;
  logger(component: string): Logger;
}

/** The clusters of the process: warms them, hands them to the workers and follows CDS and EDS. */
export class ClusterManager {
  readonly clusters = new Map<string, ClusterState>();
  readonly #options: ClusterManagerOptions;
  readonly #log: Logger;
  readonly #scope: StatScope;
  readonly #resolver: HostResolver;
  readonly #warming = new Set<ClusterState>();
  readonly #freeSlots: number[] = [];
  #active = 0;
  #nextSlot = 0;
  #cds: Subscription | undefined;
  #onIdle: (() => void)[] = [];
  #edsHeld = true;
  #initialised = false;
  #toldWarming = false;

  constructor(options: ClusterManagerOptions) {
    this.#options = options;
    this.#log = options.logger("upstream");
    this.#scope = options.stats.scope("cluster_manager.");
    this.#resolver = options.resolver({
      onHosts: (name, hosts, overprovisioning) => this.#onHosts(name, hosts, overprovisioning),
      onInitialised: (name) => this.#hostsReady(name),
      keeps: (name, slot) => this.#keeps(name, slot),
    });
    for (const each of [options.outliers, options.checkers]) each.onChange = (name) => this.#onHealth(name);
  }

  get cdsVersion(): string {
    return this.#cds?.version ?? "";
  }

  /** Adds a cluster of the bootstrap. Throws an Error with Envoy's text. */
  addStatic(message: ClusterMessage): void {
    if (this.clusters.has(message.name)) {
      throw new Error(`cluster manager: duplicate cluster '${message.name}'`);
    }
    this.#set(message, encode("envoy.config.cluster.v3.Cluster", message), false, "");
  }

  /** Opens EDS for static clusters, then CDS; resolves when all clusters are warm or gave up waiting. */
  async initialise(cds: ConfigSource | undefined): Promise<void> {
    await this.#settled((state) => !usesEds(state));
    this.#edsHeld = false;
    for (const state of this.#warming) this.#openEds(state, state.warming!);
    if (cds !== undefined) await this.#openCds(cds);
    await this.#settled(() => true);
    this.#initialised = true;
    this.#log.info("cm init: all clusters initialized");
  }

  /** Applies a whole CDS state: what is absent and came by CDS before is removed. Throws with Envoy's text. */
  applyCds(resources: readonly Resource[], version: string): void {
    const problems: string[] = [];
    const names = new Set<string>();
    for (const { name, message, bytes } of resources) {
      if (names.has(name)) {
        problems.push(`${name}: duplicate cluster ${name} found`);
        continue;
      }
      names.add(name);
      try {
        this.#set(message as ClusterMessage, bytes, true, version);
      } catch (error) {
        problems.push(`${name}: ${textWithPath(error as Error)}`);
      }
    }
    for (const [name, state] of this.clusters) if (state.dynamic && !names.has(name)) this.#remove(state);
    if (problems.length > 0) throw new Error(`Error adding/updating cluster(s) ${problems.join(", ")}`);
  }

  close(): void {
    this.#cds?.close();
    for (const { eds } of this.clusters.values()) eds?.close();
    this.#options.outliers.close();
    this.#options.checkers.close();
    this.#resolver.close();
  }

  #openCds(source: ConfigSource): Promise<void> {
    const { open, texts, clock, logger } = this.#options;
    return new Promise((resolve) => {
      this.#cds = new Subscription({
        source,
        kind: "cds",
        name: undefined,
        open,
        scope: this.#scope.scope("cds."),
        texts,
        clock,
        log: logger("config"),
        onUpdate: (resources, version) => this.applyCds(resources, version),
        onInitialised: () => resolve(),
      });
    });
  }

  #set(message: ClusterMessage, bytes: Uint8Array, dynamic: boolean, version: string): void {
    const { name } = message;
    let state = this.clusters.get(name);
    if (state !== undefined && dynamic && !state.dynamic) return;
    const current = state?.warming ?? state?.active;
    if (current !== undefined && (current.bytes === bytes || Buffer.compare(current.bytes, bytes) === 0))
      return;
    this.#options.check(message, dynamic);
    const configs = sdsConfigsOfCluster(message);
    const waits = { hosts: true, secrets: configs.length > 0, checks: true };
    const secrets = this.#options.secrets.lease(configs, () => this.#secretsReady(next));
    const updated = this.#options.clock.wall();
    const next: ClusterVersion = { message, bytes, version, updated, secrets, waits };
    const added = state === undefined;
    if (state === undefined) {
      const slot = this.#takeSlot();
      state = {
        name,
        dynamic,
        active: undefined,
        warming: next,
        hosts: [],
        overprovisioning: 140,
        slot,
        assignment: undefined,
        eds: undefined,
      };
      this.clusters.set(name, state);
      declareStats(this.#options.merged, statPrefix(message), CLUSTER_STATS);
    } else {
      state.warming?.secrets.release();
      state.warming = next;
    }
    this.#warming.add(state);
    this.#scope.counter(added ? "cluster_added" : "cluster_modified").inc();
    this.#log.debug(`${added ? "add" : "update"} cluster ${name}`);
    this.#resolver.setCluster(message);
    if (!this.#edsHeld) this.#openEds(state, next);
    this.#gauges();
  }

  #openEds(state: ClusterState, next: ClusterVersion): void {
    if (!usesEds(state)) return;
    const { stats, open, texts, clock, logger } = this.#options;
    const { message } = next;
    const old = state.eds;
    const service = message.edsClusterConfig?.serviceName || state.name;
    const scope = stats.scope(statPrefix(message));
    state.eds = new Subscription({
      source: message.edsClusterConfig!.edsConfig!,
      kind: "eds",
      name: service,
      open,
      scope,
      texts,
      clock,
      log: logger("config"),
      onUpdate: (resources, version) => this.#onAssignment(state, resources, version),
      onInitialised: (outcome) => {
        if (outcome === "timeout" && state.assignment !== undefined)
          scope.counter("assignment_use_cached").inc();
        if (outcome !== "update") this.#hostsReady(state.name);
      },
    });
    old?.close();
    // What the last answer said is better than no endpoints while the server is asked again.
    const known = state.assignment;
    if (known?.message.clusterName === service) this.#resolver.onEds(state.name, known.message);
  }

  #onAssignment(state: ClusterState, resources: readonly Resource[], version: string): void {
    const found = resources[0];
    if (found === undefined) {
      this.#options.stats
        .counter(`${statPrefix((state.warming ?? state.active)!.message)}update_empty`)
        .inc();
      return;
    }
    const message = found.message as Assignment;
    this.#resolver.onEds(state.name, message);
    state.assignment = { message, version, updated: this.#options.clock.wall() };
  }

  #onHosts(name: string, hosts: readonly HostSpec[], overprovisioning: number): void {
    const state = this.clusters.get(name);
    if (state === undefined) return;
    state.hosts = hosts;
    state.overprovisioning = overprovisioning;
    this.#options.checkers.setHosts(name, hosts);
    this.#options.outliers.setHosts(name, hosts);
    if (state.active !== undefined)
      this.#options.broadcast({ kind: "hosts", cluster: name, hosts, overprovisioning });
  }

  /** Some hosts failed, or are fit again. */
  #onHealth(name: string): void {
    this.#resolver.onHealth(name);
    this.#options.broadcast({ kind: "host-health", cluster: name });
  }

  /** The warming version has hosts, or waited long enough for them. */
  #hostsReady(name: string): void {
    const state = this.clusters.get(name);
    if (state?.warming === undefined) return;
    state.warming.waits.hosts = false;
    this.#awaitChecks(state, state.warming);
  }

  /** A new cluster waits for the first health check of each host; others go on being used meanwhile. */
  #awaitChecks(state: ClusterState, version: ClusterVersion): void {
    const isNew = state.active === undefined;
    const settled = (): void => {
      version.waits.checks = false;
      if (state.warming === version) this.#promote(state);
    };
    this.#options.checkers.setCluster(version.message, state.hosts, isNew, settled);
    if (!isNew) settled();
  }

  /** Whether a host that its source lists no longer is still good for requests. */
  #keeps(name: string, slot: number): boolean {
    const message = this.clusters.get(name)?.active?.message;
    return message?.ignoreHealthOnHostRemoval === false && this.#options.checkers.passes(name, slot);
  }

  #secretsReady(version: ClusterVersion): void {
    version.waits.secrets = false;
    const state = this.clusters.get(version.message.name);
    if (state?.warming === version) this.#promote(state);
  }

  /** Workers get the warming version, once it waits for nothing any longer. */
  #promote(state: ClusterState): void {
    const { name, warming } = state;
    if (warming === undefined) return;
    if (warming.waits.hosts || warming.waits.secrets || warming.waits.checks) return;
    const { broadcast } = this.#options;
    if (state.active === undefined) this.#active++;
    state.active?.secrets.release();
    state.active = warming;
    state.warming = undefined;
    this.#warming.delete(state);
    this.#options.outliers.setCluster(state.active.message, state.hosts);
    broadcast({ kind: "cluster", name, bytes: state.active.bytes, breakerSlot: state.slot });
    broadcast({ kind: "hosts", cluster: name, hosts: state.hosts, overprovisioning: state.overprovisioning });
    this.#scope.counter("cluster_updated");
    this.#gauges();
  }

  #remove(state: ClusterState): void {
    const { name } = state;
    this.clusters.delete(name);
    this.#warming.delete(state);
    if (state.active !== undefined) this.#active--;
    state.eds?.close();
    state.warming?.secrets.release();
    state.active?.secrets.release();
    this.#options.outliers.remove(name);
    this.#options.checkers.remove(name);
    this.#resolver.removeCluster(name);
    this.#options.broadcast({ kind: "remove-cluster", name });
    const { message } = (state.active ?? state.warming)!;
    const { merged, texts } = this.#options;
    merged.forget(statPrefix(message));
    texts.delete(`${statPrefix(message)}version_text`);
    this.#freeSlots.push(state.slot);
    this.#scope.counter("cluster_removed").inc();
    this.#log.info(`removing cluster ${name}`);
    this.#gauges();
  }

  /** Resolves when none of the chosen clusters is warming. */
  #settled(chosen: (state: ClusterState) => boolean): Promise<void> {
    const done = (): boolean => {
      for (const state of this.#warming) if (chosen(state)) return false;
      return true;
    };
    if (done()) return Promise.resolve();
    return new Promise((resolve) => {
      const check = (): void => {
        if (done()) resolve();
        else this.#onIdle.push(check);
      };
      this.#onIdle.push(check);
    });
  }

  #takeSlot(): number {
    if (this.#nextSlot < MAX_CLUSTERS) return this.#nextSlot++;
    const slot = this.#freeSlots.shift();
    if (slot === undefined) throw new Error(`there are more than ${MAX_CLUSTERS} clusters`);
    return slot;
  }

  #gauges(): void {
    this.#scope.gauge("warming_clusters").set(this.#warming.size);
    this.#scope.gauge("active_clusters").set(this.#active);
    const checks = this.#onIdle;
    this.#onIdle = [];
    for (const check of checks) check();
    const warming = this.#warming.size > 0;
    if (!this.#initialised || warming === this.#toldWarming) return;
    this.#toldWarming = warming;
    this.#options.onWarming(warming);
  }
}

function usesEds(state: ClusterState): boolean {
  const type = (state.warming ?? state.active)!.message.clusterDiscoveryType;
  return type.case === "type" && (type.value as number) === EDS;
}

/** As the workers' cluster-stats.ts has it. */
function statPrefix(message: ClusterMessage): string {
  return `cluster.${(message.altStatName || message.name).replaceAll(":", "_")}.`;
}
