import type { Clock } from "../../../base/clock.ts";
import type { Dns, DnsFamily, DnsRecord } from "../../../net/dns.ts";
import { durationMs } from "../../../proto/duration.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { Counter, StatScope } from "../../../stats/stat-store.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];

/** When to ask again. Milliseconds. */
export interface DnsSchedule {
  readonly family: DnsFamily;
  readonly refresh: number;
  readonly jitter: number;
  readonly respectTtl: boolean;
  readonly failureBase: number | undefined;
  readonly failureMax: number;
}

const DEFAULT_REFRESH = 5000;
/** Values of Cluster.dns_lookup_family. */
const FAMILIES: readonly DnsFamily[] = ["auto", "v4-only", "v6-only", "v4-preferred", "all"];

/** The DNS settings of a cluster. */
export function dnsSchedule(cluster: ClusterMessage): DnsSchedule {
  const failure = cluster.dnsFailureRefreshRate;
  const failureBase = durationMs(failure?.baseInterval, undefined);
  return {
    family: FAMILIES[cluster.dnsLookupFamily] ?? "auto",
    refresh: durationMs(cluster.dnsRefreshRate, DEFAULT_REFRESH),
    jitter: durationMs(cluster.dnsJitter, 0),
    respectTtl: cluster.respectDnsTtl,
    failureBase,
    failureMax: durationMs(failure?.maxInterval, (failureBase ?? 0) * 10),
  };
}

/** What the resolution of a name uses. */
export interface DnsTargetContext {
  readonly clock: Clock;
  readonly dns: Dns;
  readonly scope: StatScope;
  random(): number;
}

/** Follows the addresses of one name. */
export class DnsTarget {
  readonly #name: string;
  readonly #schedule: DnsSchedule;
  readonly #context: DnsTargetContext;
  readonly #onAnswer: (records: readonly DnsRecord[] | undefined, reason: string) => void;
  readonly #attempts: Counter;
  readonly #successes: Counter;
  readonly #failures: Counter;
  #cancel: (() => void) | undefined;
  #failedInARow = 0;
  #closed = false;

  /** @param onAnswer gets the addresses, or undefined when they could not be found out, with the reason */
  constructor(
    name: string,
    schedule: DnsSchedule,
    context: DnsTargetContext,
    onAnswer: (records: readonly DnsRecord[] | undefined, reason: string) => void,
  ) {
    this.#name = name;
    this.#schedule = schedule;
    this.#context = context;
    this.#onAnswer = onAnswer;
    this.#attempts = context.scope.counter("update_attempt");
    this.#successes = context.scope.counter("update_success");
    this.#failures = context.scope.counter("update_failure");
    void this.#resolve();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #resolve(): Promise<void> {
    this.#attempts.inc();
    let records: readonly DnsRecord[] | undefined;
    let reason = "";
    try {
      records = await this.#context.dns.resolve(this.#name, this.#schedule.family);
    } catch (error) {
      reason = (error as Error).message;
    }
    if (this.#closed) return;
    this.#count(records);
    this.#cancel = this.#context.clock.after(this.#delay(records), () => void this.#resolve());
    this.#onAnswer(records, reason);
  }

  #count(records: readonly DnsRecord[] | undefined): void {
    if (records === undefined) {
      this.#failures.inc();
      this.#failedInARow++;
      return;
    }
    this.#failedInARow = 0;
    this.#successes.inc();
  }

  #delay(records: readonly DnsRecord[] | undefined): number {
    const { refresh, jitter, respectTtl, failureBase, failureMax } = this.#schedule;
    const { random } = this.#context;
    if (records === undefined && failureBase !== undefined) {
      const limit = Math.min(failureMax, failureBase * 2 ** Math.min(30, this.#failedInARow - 1));
      return Math.max(1, random() * limit);
    }
    let delay = refresh;
    if (respectTtl && records !== undefined && records.length > 0) {
      const ttl = Math.min(...records.map((record) => record.ttl));
      if (ttl > 0) delay = ttl * 1000;
    }
    return delay + random() * jitter;
  }
}
