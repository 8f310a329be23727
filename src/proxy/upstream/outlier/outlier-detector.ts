import type { Clock } from "../../../base/clock.ts";
import type { StatScope } from "../../../stats/stat-store.ts";
import type { Logger } from "../../api.ts";
import { HOST_FAILED, HOST_FIELDS, HOST_WORDS, type HostSpec } from "../../link.ts";
import type { ConsecutiveKind, OutlierKind, OutlierSettings } from "./outlier-settings.ts";
import { OutlierStats } from "./outlier-stats.ts";
import { ejectionThreshold, RequestSample, type HostRate } from "./success-rates.ts";

export interface OutlierDetectorOptions {
  readonly cluster: string;
  readonly settings: OutlierSettings;
  /** Of the cluster. */
  readonly scope: StatScope;
  readonly hostStates: Int32Array;
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  random(): number;
  /** A host was ejected, or is used again. */
  onChange(): void;
}

/** What outlier detection tells in /clusters; -1 = not known. */
export interface RateReport {
  readonly average: number;
  readonly threshold: number;
  rateOf(slot: number): number;
}

interface Watched {
  readonly spec: HostSpec;
  readonly external: RequestSample;
  readonly local: RequestSample;
  ejected: boolean;
  ejectedAt: number;
  jitter: number;
  /** How many times the base time the next ejection lasts, less one. */
  backoff: number;
}

type Origin = "external" | "local";

const CONSECUTIVE_FIELDS: Readonly<Record<ConsecutiveKind, number>> = {
  consecutive_5xx: HOST_FIELDS.consecutive5xx,
  consecutive_gateway_failure: HOST_FIELDS.consecutiveGatewayFailures,
  consecutive_local_origin_failure: HOST_FIELDS.consecutiveLocalFailures,
};

const RATE_FIELDS = {
  external: [HOST_FIELDS.goodAnswers, HOST_FIELDS.badAnswers],
  local: [HOST_FIELDS.localSuccesses, HOST_FIELDS.localFailures],
} as const;
const RATE_KINDS = { external: "success_rate", local: "local_origin_success_rate" } as const;
const FAILURE_KINDS = { external: "failure_percentage", local: "local_origin_failure_percentage" } as const;

/** Main thread: ejects hosts of one cluster that fail where others do not, and lets them back in after a while. */
export class OutlierDetector {
  readonly #options: OutlierDetectorOptions;
  readonly #stats: OutlierStats;
  readonly #hosts = new Map<number, Watched>();
  readonly #reports: Record<Origin, { average: number; threshold: number; rates: Map<number, number> }>;
  #ejected = 0;
  #cancel: () => void;

  constructor(options: OutlierDetectorOptions) {
    this.#options = options;
    this.#stats = new OutlierStats(options.scope);
    this.#reports = { external: noReport(), local: noReport() };
    this.#cancel = this.#arm();
  }

  /** The hosts of the cluster now. */
  setHosts(hosts: readonly HostSpec[]): void {
    const slots = new Set(hosts.map(({ slot }) => slot));
    for (const [slot, host] of this.#hosts) {
      if (slots.has(slot)) continue;
      this.#hosts.delete(slot);
      if (host.ejected) this.#letBack(host);
    }
    for (const spec of hosts) {
      if (this.#hosts.has(spec.slot)) continue;
      const host = {
        spec,
        external: new RequestSample(),
        local: new RequestSample(),
        ejected: false,
        ejectedAt: 0,
        jitter: 0,
        backoff: 0,
      };
      this.#sample(host, "external");
      this.#sample(host, "local");
      this.#hosts.set(spec.slot, host);
    }
  }

  /** A thread counted so many failures in a row. */
  onConsecutive(kind: ConsecutiveKind, slot: number): void {
    const host = this.#hosts.get(slot);
    if (host === undefined || host.ejected) return;
    this.#stats.detected(kind);
    this.#eject(host, kind);
    this.#store(slot, CONSECUTIVE_FIELDS[kind], 0);
  }

  /** An active health check found a host fit. */
  onHealthy(slot: number): void {
    const host = this.#hosts.get(slot);
    if (host?.ejected !== true || !this.#options.settings.backWhenChecked) return;
    this.#letBack(host);
    this.#options.onChange();
  }

  report(origin: Origin): RateReport {
    const { average, threshold, rates } = this.#reports[origin];
    return { average, threshold, rateOf: (slot) => rates.get(slot) ?? -1 };
  }

  /** Ends it; what is ejected is used again. */
  close(): void {
    this.#cancel();
    for (const host of this.#hosts.values()) if (host.ejected) this.#letBack(host);
  }

  #arm(): () => void {
    const { clock, settings } = this.#options;
    return clock.after(settings.interval, () => {
      this.#onInterval();
      this.#cancel = this.#arm();
    });
  }

  #onInterval(): void {
    for (const host of this.#hosts.values()) this.#reconsider(host);
    this.#judge("external");
    this.#judge("local");
  }

  /** Lets a host back in whose time is over, and forgives one that did nothing wrong for an interval. */
  #reconsider(host: Watched): void {
    const { settings, clock, log, cluster, onChange } = this.#options;
    if (!host.ejected) {
      if (host.backoff > 0) host.backoff--;
      return;
    }
    const time = Math.min(settings.baseEjectionTime * host.backoff, settings.maxEjectionTime) + host.jitter;
    if (clock.now() - host.ejectedAt < time) return;
    this.#letBack(host);
    log.info(`cluster ${cluster}: ${host.spec.address} is used again after ${time} ms`);
    onChange();
  }

  #judge(origin: Origin): void {
    const { settings } = this.#options;
    const { successRate, failurePercentage } = settings;
    const report = noReport();
    this.#reports[origin] = report;
    const all: HostRate[] = [];
    for (const host of this.#hosts.values()) {
      const rate = this.#sample(host, origin);
      if (rate !== undefined && !host.ejected) all.push(rate);
    }
    const known = this.#hosts.size;
    if (known < successRate.minimumHosts && known < failurePercentage.minimumHosts) return;
    for (const { slot, rate, volume } of all)
      if (volume >= Math.min(successRate.requestVolume, failurePercentage.requestVolume))
        report.rates.set(slot, rate);
    const rated = all.filter(({ volume }) => volume >= successRate.requestVolume);
    if (rated.length > 0 && known >= successRate.minimumHosts) {
      const { mean, limit } = ejectionThreshold(rated, successRate.stdevFactor);
      report.average = mean;
      report.threshold = limit;
      this.#ejectAll(
        rated.filter(({ rate }) => rate < limit),
        RATE_KINDS[origin],
      );
    }
    const counted = all.filter(({ volume }) => volume >= failurePercentage.requestVolume);
    if (known >= failurePercentage.minimumHosts)
      this.#ejectAll(
        counted.filter(({ rate }) => 100 - rate >= failurePercentage.threshold),
        FAILURE_KINDS[origin],
      );
  }

  #ejectAll(found: readonly HostRate[], kind: OutlierKind): void {
    for (const { slot } of found) {
      this.#stats.detected(kind);
      this.#eject(this.#hosts.get(slot)!, kind);
    }
  }

  #eject(host: Watched, kind: OutlierKind): void {
    const { settings, clock, random, log, cluster, onChange } = this.#options;
    if (host.ejected) return;
    const share = (100 * (this.#ejected + 1)) / this.#hosts.size;
    if (share > settings.maxEjectionPercent && !(this.#ejected === 0 && settings.alwaysEjectOneHost)) {
      this.#stats.overflow.inc();
      return;
    }
    this.#stats.allowed(kind);
    if (random() * 100 >= settings.enforcing[kind]) return;
    this.#stats.enforced(kind);
    this.#stats.active.set(++this.#ejected);
    host.ejected = true;
    host.ejectedAt = clock.now();
    host.jitter = Math.floor(random() * (settings.maxEjectionTimeJitter + 1));
    if (host.backoff * settings.baseEjectionTime < settings.maxEjectionTime + settings.baseEjectionTime)
      host.backoff++;
    Atomics.or(this.#options.hostStates, at(host.spec.slot, HOST_FIELDS.failed), HOST_FAILED.outlier);
    log.info(`cluster ${cluster}: ${host.spec.address} is ejected (${kind})`);
    onChange();
  }

  #letBack(host: Watched): void {
    const { slot } = host.spec;
    host.ejected = false;
    this.#stats.active.set(--this.#ejected);
    for (const field of Object.values(CONSECUTIVE_FIELDS)) this.#store(slot, field, 0);
    Atomics.and(this.#options.hostStates, at(slot, HOST_FIELDS.failed), ~HOST_FAILED.outlier);
  }

  #sample(host: Watched, origin: Origin): HostRate | undefined {
    const { slot } = host.spec;
    const word = (field: number) => Atomics.load(this.#options.hostStates, at(slot, field));
    const [good, bad] = RATE_FIELDS[origin];
    const successes = word(good);
    return host[origin].take(slot, successes + word(bad), successes);
  }

  #store(slot: number, field: number, value: number): void {
    Atomics.store(this.#options.hostStates, at(slot, field), value);
  }
}

function at(slot: number, field: number): number {
  return slot * HOST_WORDS + field;
}

function noReport() {
  return { average: -1, threshold: -1, rates: new Map<number, number>() };
}
