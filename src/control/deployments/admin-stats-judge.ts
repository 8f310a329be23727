import type { NodeIdentity } from "../views/view.ts";
import type { ObservedTraffic, TrafficJudge, TrafficWatch } from "./traffic-judge.ts";

/** Running totals of one cluster at one proxy. */
interface Totals {
  requests: number;
  failures: number;
  /** Times of all requests together, in milliseconds, and how many were measured. */
  timeMs: number;
  timed: number;
}

export interface AdminStatsJudgeOptions {
  /** Admin addresses of all proxies, IP:PORT. */
  readonly admins: () => readonly string[];
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 2000;
const NAME = /envoy_cluster_name="((?:[^"\\]|\\.)*)"/;

/** Reads the statistics of proxies at their admin servers. A proxy that cannot be asked is left out of a reading. */
export class AdminStatsJudge implements TrafficJudge {
  readonly #options: AdminStatsJudgeOptions;

  constructor(options: AdminStatsJudgeOptions) {
    this.#options = options;
  }

  watch(clusters: readonly string[]): TrafficWatch {
    return new AdminStatsWatch(clusters, this.#options);
  }
}

/** Where a node's metadata (`weft.admin`) says its admin server is. One on all addresses is asked at the node's own. */
export function adminAddress({ weft, peer }: NodeIdentity): string | undefined {
  const said = weft["admin"];
  if (typeof said !== "string") return undefined;
  const host = peer.slice(0, peer.lastIndexOf(":"));
  return said.replace(/^(0\.0\.0\.0|\[::\]):/, `${host}:`);
}

class AdminStatsWatch implements TrafficWatch {
  readonly #clusters: readonly string[];
  readonly #options: AdminStatsJudgeOptions;
  /** Totals of each proxy and cluster when it was first asked, and when last. */
  readonly #first = new Map<string, Totals>();
  readonly #last = new Map<string, Totals>();
  readonly #asked = new Set<string>();
  readonly #begun: Promise<void>;

  constructor(clusters: readonly string[], options: AdminStatsJudgeOptions) {
    this.#clusters = clusters;
    this.#options = options;
    // What was before must not count, so the watch begins by looking.
    this.#begun = this.#ask().catch(() => {});
  }

  async read(): Promise<ReadonlyMap<string, ObservedTraffic>> {
    await this.#begun;
    await this.#ask();
    const sums = new Map<string, Totals>();
    for (const [key, last] of this.#last) {
      const cluster = key.slice(key.indexOf(" ") + 1);
      const sum = sums.get(cluster) ?? nothing();
      add(sum, last, 1);
      add(sum, this.#first.get(key) ?? nothing(), -1);
      sums.set(cluster, sum);
    }
    return new Map(
      [...sums].map(([cluster, { requests, failures, timeMs, timed }]) => [
        cluster,
        { requests, failures, meanMs: timed === 0 ? Number.NaN : timeMs / timed },
      ]),
    );
  }

  close(): void {}

  async #ask(): Promise<void> {
    const admins = this.#options.admins();
    if (admins.length === 0)
      throw new Error("no connected proxy says where its admin server is (metadata weft.admin)");
    const answers = await Promise.allSettled(admins.map(async (admin) => this.#askOne(admin)));
    if (answers.every(({ status }) => status === "rejected"))
      throw new Error(`no proxy's admin server answers (${admins.join(", ")})`);
  }

  async #askOne(admin: string): Promise<void> {
    const names = this.#clusters.map((name) => name.replaceAll(/[^\w@-]/g, "\\$&")).join("|");
    const filter = `^cluster\\.(${names})\\.upstream_rq_(5xx|completed|time)$`;
    const url = `http://${admin}/stats?format=prometheus&filter=${encodeURIComponent(filter)}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS) });
    if (!response.ok) throw new Error(`${admin} answers ${response.status}`);
    const totals = readTotals(await response.text());
    const isNew = !this.#asked.has(admin);
    this.#asked.add(admin);
    for (const [cluster, now] of totals) {
      const key = `${admin} ${cluster}`;
      const before = this.#last.get(key);
      if (isNew) this.#first.set(key, now);
      else if (before !== undefined && now.requests < before.requests) {
        // It began anew: what it had counted is kept as if it had been counted before its first look.
        const first = this.#first.get(key) ?? nothing();
        add(first, before, -1);
        this.#first.set(key, first);
      }
      this.#last.set(key, now);
    }
  }
}

/** Totals by cluster from Prometheus text. */
function readTotals(text: string): Map<string, Totals> {
  const clusters = new Map<string, Totals>();
  for (const line of text.split("\n")) {
    const name = NAME.exec(line)?.[1];
    if (name === undefined || line.startsWith("#")) continue;
    let totals = clusters.get(name);
    if (totals === undefined) clusters.set(name, (totals = nothing()));
    const value = Number(line.slice(line.lastIndexOf(" ") + 1));
    if (line.startsWith("envoy_cluster_upstream_rq_completed{")) totals.requests = value;
    else if (line.startsWith("envoy_cluster_upstream_rq_xx{")) totals.failures = value;
    else if (line.startsWith("envoy_cluster_upstream_rq_time_sum{")) totals.timeMs = value;
    else if (line.startsWith("envoy_cluster_upstream_rq_time_count{")) totals.timed = value;
  }
  return clusters;
}

function nothing(): Totals {
  return { requests: 0, failures: 0, timeMs: 0, timed: 0 };
}

function add(sum: Totals, more: Totals, sign: 1 | -1): void {
  sum.requests += sign * more.requests;
  sum.failures += sign * more.failures;
  sum.timeMs += sign * more.timeMs;
  sum.timed += sign * more.timed;
}
