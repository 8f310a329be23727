import type { Clock } from "../../base/clock.ts";
import { encode, type MessageOf } from "../../proto/registry.ts";
import type { StatStore } from "../../stats/stat-store.ts";
import type { Logger } from "../api.ts";
import type { HostSpec } from "../link.ts";
import { clusterStatPrefix } from "../upstream/cluster-stats.ts";
import { OutlierDetector, type RateReport } from "../upstream/outlier/outlier-detector.ts";
import { outlierSettings, type ConsecutiveKind } from "../upstream/outlier/outlier-settings.ts";

type ClusterMessage = MessageOf<"envoy.config.cluster.v3.Cluster">;

export interface OutlierDetectorsOptions {
  readonly hostStates: SharedArrayBuffer;
  readonly stats: StatStore;
  readonly clock: Clock;
  logger(component: string): Logger;
  /** Uniform in [0, 1). */
  random(): number;
}

interface Entry {
  readonly detector: OutlierDetector;
  /** Its configuration; an update that says the same leaves ejections as they are. */
  readonly config: Uint8Array;
}

/** Outlier detection of all clusters that ask for it. */
export class OutlierDetectors {
  /** The health of some of a cluster's hosts changed. */
  onChange: (cluster: string) => void = () => {};
  readonly #options: OutlierDetectorsOptions;
  readonly #hostStates: Int32Array;
  readonly #entries = new Map<string, Entry>();

  constructor(options: OutlierDetectorsOptions) {
    this.#options = options;
    this.#hostStates = new Int32Array(options.hostStates);
  }

  /** Takes over a cluster's configuration. */
  setCluster(message: ClusterMessage, hosts: readonly HostSpec[]): void {
    const { name } = message;
    const settings = outlierSettings(message.outlierDetection);
    const known = this.#entries.get(name);
    if (settings === undefined) {
      this.remove(name);
      if (known !== undefined) this.onChange(name);
      return;
    }
    const config = encode("envoy.config.cluster.v3.OutlierDetection", message.outlierDetection!);
    if (known !== undefined && Buffer.compare(known.config, config) === 0) return;
    known?.detector.close();
    const { stats, clock, random, logger } = this.#options;
    const detector = new OutlierDetector({
      cluster: name,
      settings,
      scope: stats.scope(clusterStatPrefix(message.altStatName || name)),
      hostStates: this.#hostStates,
      clock,
      random,
      log: logger("upstream"),
      onChange: () => this.onChange(name),
    });
    detector.setHosts(hosts);
    this.#entries.set(name, { detector, config });
    if (known !== undefined) this.onChange(name);
  }

  setHosts(cluster: string, hosts: readonly HostSpec[]): void {
    this.#entries.get(cluster)?.detector.setHosts(hosts);
  }

  onConsecutive(cluster: string, kind: ConsecutiveKind, slot: number): void {
    this.#entries.get(cluster)?.detector.onConsecutive(kind, slot);
  }

  onHealthy(cluster: string, slot: number): void {
    this.#entries.get(cluster)?.detector.onHealthy(slot);
  }

  /** Success rates of the last interval; undefined without outlier detection. */
  report(cluster: string, origin: "external" | "local"): RateReport | undefined {
    return this.#entries.get(cluster)?.detector.report(origin);
  }

  remove(cluster: string): void {
    this.#entries.get(cluster)?.detector.close();
    this.#entries.delete(cluster);
  }

  close(): void {
    for (const name of this.#entries.keys()) this.remove(name);
  }
}
