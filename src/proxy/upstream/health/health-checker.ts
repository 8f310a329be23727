import type { Clock } from "../../../base/clock.ts";
import type { MessageOf } from "../../../proto/registry.ts";
import type { StatScope } from "../../../stats/stat-store.ts";
import type { Logger, OperatorDef } from "../../api.ts";
import { HOST_FAILED, HOST_FIELDS, HOST_WORDS, type HostSpec } from "../../link.ts";
import { createProbe } from "./create-probe.ts";
import { healthCheckSettings, type HealthCheckSettings } from "./health-check-settings.ts";
import { HealthSession } from "./health-session.ts";
import { HealthStats } from "./health-stats.ts";
import type { ProbeClusters, ProbeTarget } from "./probe-clusters.ts";
import type { Probe } from "./probe.ts";

type ClusterMessage = MessageOf<"envoy.config.cluster.v3.Cluster">;
type HealthCheck = MessageOf<"envoy.config.core.v3.HealthCheck">;

export interface HealthCheckerOptions {
  readonly cluster: ClusterMessage;
  readonly config: HealthCheck;
  /** Among the checks of the cluster. */
  readonly index: number;
  readonly clusters: ProbeClusters;
  readonly operators: readonly OperatorDef[];
  /** Of the cluster. */
  readonly scope: StatScope;
  readonly hostStates: Int32Array;
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  random(): number;
  /** Whether the cluster was ever connected to. */
  used(): boolean;
  /** A host is in use now, or no longer. */
  onChange(): void;
  /** A host was found fit. */
  onHealthy(slot: number): void;
  /** A check of any host is over. */
  onChecked(): void;
}

/** envoy.type.v3.CodecClientType */
const HTTP2 = 1;

/** One health check of a cluster: a session with each of its hosts. */
export class HealthChecker {
  readonly #options: HealthCheckerOptions;
  readonly #settings: HealthCheckSettings;
  readonly #stats: HealthStats;
  readonly #probe: Probe;
  readonly #target: ProbeTarget;
  readonly #name: string;
  readonly #sessions = new Map<number, { readonly host: HostSpec; readonly session: HealthSession }>();

  /** Throws an Error when the check cannot be done as it is configured. */
  constructor(options: HealthCheckerOptions) {
    const { cluster, config, index, scope, clusters } = options;
    this.#options = options;
    this.#settings = healthCheckSettings(config);
    this.#stats = new HealthStats(scope);
    this.#probe = createProbe(config, {
      cluster: cluster.name,
      clusters,
      calls: clusters.calls,
      operators: options.operators,
    });
    const { healthChecker: how } = config;
    this.#target = {
      http2: how.case === "grpcHealthCheck" || (how.case === "httpHealthCheck" && isHttp2(how.value)),
      reuseConnection: this.#settings.reuseConnection,
      altPort: this.#settings.altPort,
    };
    this.#name = `${cluster.name}#${index}`;
    clusters.setCluster(this.#name, cluster, this.#target);
  }

  /** Whether each host has had a result. */
  get settled(): boolean {
    for (const { session } of this.#sessions.values()) if (!session.checked) return false;
    return true;
  }

  /** The hosts of the cluster now. Those that stay keep their sessions. */
  setHosts(hosts: readonly HostSpec[]): void {
    const checked = hosts.filter(({ healthCheck }) => healthCheck?.disabled !== true);
    const bySlot = new Map(checked.map((host) => [host.slot, host]));
    for (const [slot, { host, session }] of this.#sessions) {
      if (sameCheck(bySlot.get(slot), host)) continue;
      session.close();
      this.#sessions.delete(slot);
    }
    const names = this.#options.clusters.setHosts(this.#name, checked, this.#target);
    for (const [i, host] of checked.entries()) {
      if (this.#sessions.has(host.slot)) continue;
      this.#sessions.set(host.slot, { host, session: this.#begin(host, names[i]!) });
    }
    this.#count();
  }

  close(): void {
    for (const { session } of this.#sessions.values()) session.close();
    this.#sessions.clear();
    this.#options.clusters.removeCluster(this.#name);
  }

  #begin(host: HostSpec, name: string): HealthSession {
    const { hostStates, clock, log, random, used, cluster, config } = this.#options;
    const at = host.slot * HOST_WORDS + HOST_FIELDS.failed;
    return new HealthSession({
      host,
      cluster: name,
      settings: this.#settings,
      probe: this.#probe,
      stats: this.#stats,
      clock,
      random,
      used,
      failed: () => Atomics.load(hostStates, at),
      mark: (bit, set) => void (set ? Atomics.or(hostStates, at, bit) : Atomics.and(hostStates, at, ~bit)),
      onResult: (healthy, changed) => {
        const text = `cluster ${cluster.name}: ${host.address} ${healthy ? "passes" : "fails"} its health check`;
        if (changed) log.info(text);
        else if (healthy ? config.alwaysLogHealthCheckSuccess : config.alwaysLogHealthCheckFailures)
          log.warn(text);
        this.#count();
        if (healthy) this.#options.onHealthy(host.slot);
        if (changed) this.#options.onChange();
        this.#options.onChecked();
      },
    });
  }

  #count(): void {
    const { hostStates } = this.#options;
    let [healthy, degraded] = [0, 0];
    for (const slot of this.#sessions.keys()) {
      const failed = Atomics.load(hostStates, slot * HOST_WORDS + HOST_FIELDS.failed);
      if ((failed & HOST_FAILED.activeCheck) === 0) healthy++;
      if ((failed & HOST_FAILED.degraded) !== 0) degraded++;
    }
    this.#stats.healthy.set(healthy);
    this.#stats.degraded.set(degraded);
  }
}

function isHttp2({
  codecClientType,
}: MessageOf<"envoy.config.core.v3.HealthCheck.HttpHealthCheck">): boolean {
  return (codecClientType as number) === HTTP2;
}

/** Whether a host is asked as before. */
function sameCheck(now: HostSpec | undefined, before: HostSpec): boolean {
  if (now === undefined) return false;
  const [a, b] = [now.healthCheck, before.healthCheck];
  return a?.ip === b?.ip && a?.port === b?.port && a?.hostname === b?.hostname;
}
