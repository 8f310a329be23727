import type { Clock } from "../../../base/clock.ts";
import { HOST_FAILED, type HostSpec } from "../../link.ts";
import type { HealthCheckSettings } from "./health-check-settings.ts";
import type { HealthStats } from "./health-stats.ts";
import { NETWORK, type Probe, type ProbeOutcome } from "./probe.ts";

export interface HealthSessionOptions {
  readonly host: HostSpec;
  /** The host among the probe's clusters. */
  readonly cluster: string;
  readonly settings: HealthCheckSettings;
  readonly probe: Probe;
  readonly stats: HealthStats;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  random(): number;
  /** Whether the cluster was ever connected to. */
  used(): boolean;
  /** Bits of HOST_FAILED that are set for the host. */
  failed(): number;
  /** Sets or clears one of them. */
  mark(bit: number, set: boolean): void;
  /** A check is over; `changed` when the host is in use now, or no longer. */
  onResult(healthy: boolean, changed: boolean): void;
}

/** One health check of one host, again and again. */
export class HealthSession {
  readonly #options: HealthSessionOptions;
  #first = true;
  #good = 0;
  #bad = 0;
  #stop: () => void = () => {};
  #stopProbe: () => void = () => {};

  constructor(options: HealthSessionOptions) {
    this.#options = options;
    const { settings, clock, random } = options;
    const { initialJitter } = settings;
    // Not before whoever makes the session knows it.
    this.#stop = clock.after(initialJitter > 0 ? random() * initialJitter : 0, () => this.#check());
  }

  /** Whether there was a result. */
  get checked(): boolean {
    return !this.#first;
  }

  close(): void {
    this.#stop();
    this.#stopProbe();
  }

  #check(): void {
    const { probe, host, cluster, settings, stats, clock } = this.#options;
    stats.attempt.inc();
    let over = false;
    const end = (outcome: ProbeOutcome): void => {
      if (over) return;
      over = true;
      this.#stop();
      this.#onOutcome(outcome);
    };
    this.#stop = clock.after(settings.timeout, () => {
      over = true;
      this.#stopProbe();
      this.#onOutcome(NETWORK);
    });
    this.#stopProbe = probe.ask(host, cluster, end);
  }

  #onOutcome(outcome: ProbeOutcome): void {
    const { clock } = this.#options;
    const pending = outcome.kind === "healthy" ? this.#onGood(outcome.degraded) : this.#onBad(outcome);
    this.#stop = clock.after(this.#pause(outcome.kind === "healthy", pending), () => this.#check());
  }

  /** Returns whether the host is on the way to be used. */
  #onGood(degraded: boolean): boolean {
    const { settings, stats, failed, mark, onResult } = this.#options;
    this.#bad = 0;
    let changed = false;
    let pending = false;
    if ((failed() & HOST_FAILED.activeCheck) !== 0) {
      // The first result of all counts at once.
      if (this.#first || ++this.#good >= settings.healthyThreshold) {
        this.#good = 0;
        mark(HOST_FAILED.activeCheck, false);
        changed = true;
      } else pending = true;
    }
    if (degraded !== ((failed() & HOST_FAILED.degraded) !== 0)) {
      mark(HOST_FAILED.degraded, degraded);
      changed = true;
    }
    stats.success.inc();
    this.#first = false;
    onResult(true, changed);
    return pending;
  }

  /** Returns whether the host is on the way out of use. */
  #onBad(outcome: ProbeOutcome): boolean {
    const { settings, stats, failed, mark, onResult } = this.#options;
    this.#good = 0;
    let changed = false;
    let pending = false;
    const patient = outcome.kind === "network" || (outcome.kind === "unhealthy" && outcome.retriable);
    if ((failed() & HOST_FAILED.activeCheck) === 0) {
      if (!patient || ++this.#bad >= settings.unhealthyThreshold) {
        this.#bad = 0;
        mark(HOST_FAILED.activeCheck, true);
        changed = true;
      } else pending = true;
    }
    stats.failure.inc();
    if (outcome.kind === "network") stats.networkFailure.inc();
    this.#first = false;
    onResult(false, changed);
    return pending;
  }

  /** Milliseconds until the next check. */
  #pause(healthy: boolean, pending: boolean): number {
    const { settings, random, used } = this.#options;
    let base: number;
    if (!used()) base = healthy ? settings.noTrafficHealthyInterval : settings.noTrafficInterval;
    else if (healthy) base = pending ? settings.healthyEdgeInterval : settings.interval;
    else base = pending ? settings.unhealthyEdgeInterval : settings.unhealthyInterval;
    const share = (base * settings.intervalJitterPercent) / 100;
    return base + random() * share + random() * settings.intervalJitter;
  }
}
