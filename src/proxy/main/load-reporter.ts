import type { Clock } from "../../base/clock.ts";
import type { GrpcClient } from "../../grpc/client.ts";
import type { GrpcStream } from "../../grpc/client-call.ts";
import type { GrpcStatus } from "../../grpc/status.ts";
import { durationMs, msDuration } from "../../proto/duration.ts";
import { create, decode, encode, type MessageInit, type MessageOf } from "../../proto/registry.ts";
import type { StatStore } from "../../stats/stat-store.ts";
import { JitteredBackoff } from "../../xds/backoff.ts";
import type { ClusterReport, HostReport } from "../admin/admin-host.ts";
import type { Logger } from "../api.ts";

type Response = MessageOf<"envoy.service.load_stats.v3.LoadStatsResponse">;
type ClusterStats = MessageInit<"envoy.config.endpoint.v3.ClusterStats">;

export interface LoadReporterOptions {
  readonly server: GrpcClient;
  readonly node: MessageOf<"envoy.config.core.v3.Node">;
  /** What hosts have counted up to now. */
  readonly clusters: () => readonly ClusterReport[];
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly log: Logger;
  random(): number;
}

/** Running totals of one host. */
type HostTotals = Pick<HostReport, "rqSuccess" | "rqError" | "rqTotal">;

const METHOD = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats";
const REQUEST = "envoy.service.load_stats.v3.LoadStatsRequest";
const SENDS_ALL = "envoy.lrs.supports_send_all_clusters";
const RETRY_BASE = 1000;
const RETRY_MAX = 30_000;
const NOTHING: HostTotals = { rqSuccess: 0, rqError: 0, rqTotal: 0 };

/** Tells a load reporting service (LRS) at the interval it asks for what the hosts of its clusters were sent since the last time. */
export class LoadReporter {
  readonly #options: LoadReporterOptions;
  readonly #backoff: JitteredBackoff;
  readonly #requests;
  readonly #responses;
  readonly #errors;
  /** What was told of each host by cluster, and up to when. */
  readonly #told = new Map<string, { at: number; readonly hosts: Map<string, HostTotals> }>();
  #stream: GrpcStream | undefined;
  #wanted: Response | undefined;
  #cancelTimer: (() => void) | undefined;
  #closed = false;
  #lastError = "";

  constructor(options: LoadReporterOptions) {
    this.#options = options;
    this.#backoff = new JitteredBackoff(RETRY_BASE, RETRY_MAX, () => options.random());
    this.#requests = options.stats.counter("load_reporter.requests");
    this.#responses = options.stats.counter("load_reporter.responses");
    this.#errors = options.stats.counter("load_reporter.errors");
    this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#stream?.cancel();
  }

  #open(): void {
    if (this.#closed) return;
    const { server, node } = this.#options;
    let broken = false;
    const stream = server.open(METHOD, {
      onMessage: (bytes) => this.#onResponse(bytes),
      onEnd: (status) => {
        broken = true;
        this.#onEnd(status);
      },
    });
    // There may be no such cluster, or none of its hosts may be fit.
    if (broken) return;
    this.#stream = stream;
    this.#send({ node: { ...node, clientFeatures: [...node.clientFeatures, SENDS_ALL] } });
  }

  #send(init: MessageInit<typeof REQUEST>): void {
    this.#requests.inc();
    this.#stream?.send(encode(REQUEST, create(REQUEST, init)));
  }

  #onResponse(bytes: Buffer): void {
    this.#responses.inc();
    this.#backoff.reset();
    this.#lastError = "";
    this.#wanted = decode("envoy.service.load_stats.v3.LoadStatsResponse", bytes);
    const wanted = this.#clusters();
    const names = new Set(wanted.map(({ name }) => name));
    for (const name of this.#told.keys()) if (!names.has(name)) this.#told.delete(name);
    // What was before the first question is not told.
    for (const cluster of wanted) if (!this.#told.has(cluster.name)) this.#note(cluster);
    this.#schedule();
  }

  #onEnd({ code, message }: GrpcStatus): void {
    this.#stream = undefined;
    this.#cancelTimer?.();
    if (this.#closed) return;
    this.#errors.inc();
    const { log, clock } = this.#options;
    const text = `load reporting stream closed: ${code}, ${message}`;
    if (text === this.#lastError) log.debug(text);
    else log.warn(text);
    this.#lastError = text;
    this.#cancelTimer = clock.after(this.#backoff.next(), () => this.#open());
  }

  #schedule(): void {
    this.#cancelTimer?.();
    const interval = Math.max(1, durationMs(this.#wanted?.loadReportingInterval, 0));
    this.#cancelTimer = this.#options.clock.after(interval, () => {
      this.#send({ clusterStats: this.#clusters().map((cluster) => this.#report(cluster)) });
      this.#schedule();
    });
  }

  /** Those that are asked for and that there are. */
  #clusters(): ClusterReport[] {
    const wanted = this.#wanted;
    if (wanted === undefined) return [];
    const named = new Set(wanted.clusters);
    return this.#options.clusters().filter(({ name }) => wanted.sendAllClusters || named.has(name));
  }

  #report(cluster: ClusterReport): ClusterStats {
    const { at = this.#options.clock.now(), hosts } = this.#told.get(cluster.name) ?? {};
    const localities = Map.groupBy(
      cluster.hosts,
      ({ region, zone, subZone, priority }) => `${priority} ${region}\0${zone}\0${subZone}`,
    );
    this.#note(cluster);
    return {
      clusterName: cluster.name,
      clusterServiceName: cluster.edsServiceName,
      upstreamLocalityStats: [...localities.values()].flatMap(
        (members) => localityStats(members, hosts) ?? [],
      ),
      loadReportInterval: msDuration(this.#options.clock.now() - at),
    };
  }

  #note({ name, hosts }: ClusterReport): void {
    const totals = new Map(hosts.map((host) => [host.address, host]));
    this.#told.set(name, { at: this.#options.clock.now(), hosts: totals });
  }
}

/** Undefined when nothing happened. */
function localityStats(
  hosts: readonly HostReport[],
  told: ReadonlyMap<string, HostTotals> | undefined,
): NonNullable<ClusterStats["upstreamLocalityStats"]>[number] | undefined {
  let [success, error, issued, active] = [0, 0, 0, 0];
  for (const host of hosts) {
    const before = told?.get(host.address) ?? NOTHING;
    success += since(before.rqSuccess, host.rqSuccess);
    error += since(before.rqError, host.rqError);
    issued += since(before.rqTotal, host.rqTotal);
    active += host.rqActive;
  }
  if (success + error + issued + active === 0) return undefined;
  const { region, zone, subZone, priority } = hosts[0]!;
  return {
    locality: { region, zone, subZone },
    priority,
    totalSuccessfulRequests: BigInt(success),
    totalErrorRequests: BigInt(error),
    totalIssuedRequests: BigInt(issued),
    totalRequestsInProgress: BigInt(Math.max(0, active)),
  };
}

/** A host that is new under an old address begins at 0. */
function since(before: number, now: number): number {
  return now >= before ? now - before : now;
}
