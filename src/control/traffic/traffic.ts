import type { Clock } from "../../base/clock.ts";
import type { GrpcServer } from "../../grpc/server.ts";
import type { SourceLog } from "../catalog/source.ts";
import { ACCESS_LOG_METHOD, AccessLogStream, type AccessLogOwner } from "./access-log-stream.ts";
import { ErrorBoard } from "./error-board.ts";
import { LOAD_REPORT_METHOD, LoadReportStream, type LoadReportOwner } from "./load-report-stream.ts";
import { LoadsInProgress } from "./loads-in-progress.ts";
import type { SeenConnection, SeenLoad, SeenRequest, TrafficTap } from "./seen-traffic.ts";
import { TrafficMeter, type ExtraLabel } from "./traffic-meter.ts";

/** What may be set about traffic reports. */
export interface TrafficSettings {
  /** How often proxies report loads, in milliseconds. */
  readonly loadIntervalMs?: number;
  /** Label sets of each metric; the rest becomes "other". */
  readonly maxSeries?: number;
  /** Labels besides service, version, class and node cluster. */
  readonly labels?: readonly ExtraLabel[];
  /** Period of the board of errors, in milliseconds. */
  readonly errorPeriodMs?: number;
  /** How many lines of the board are logged after each period; default: none. */
  readonly logErrors?: number;
}

export interface TrafficOptions extends TrafficSettings {
  /** All clusters that proxies may have. */
  readonly clusters: () => readonly string[];
  readonly clock: Clock;
  readonly log: SourceLog;
}

const LOAD_INTERVAL_MS = 10_000;
const MAX_SERIES = 1000;
const ERROR_PERIOD_MS = 5 * 60_000;
/** Load reports that may be missed before a proxy no longer counts. */
const MISSED_REPORTS = 3;

/** What proxies tell of their traffic: load reports (LRS) and access logs (ALS), as numbers. */
export class Traffic implements AccessLogOwner, LoadReportOwner {
  readonly intervalMs: number;
  readonly meter: TrafficMeter;
  readonly #options: TrafficOptions;
  readonly #errors: ErrorBoard;
  readonly #inProgress: LoadsInProgress;
  readonly #streams = new Set<object>();
  readonly #taps = new Set<TrafficTap>();
  #cancel: (() => void) | undefined;

  constructor(options: TrafficOptions) {
    const { clock, maxSeries = MAX_SERIES, labels = [], errorPeriodMs = ERROR_PERIOD_MS } = options;
    this.#options = options;
    this.intervalMs = options.loadIntervalMs ?? LOAD_INTERVAL_MS;
    this.meter = new TrafficMeter({ maxSeries, labels, now: () => clock.now() });
    this.#errors = new ErrorBoard(errorPeriodMs, clock.wall());
    this.#inProgress = new LoadsInProgress(MISSED_REPORTS * this.intervalMs);
    if (options.logErrors !== undefined) this.#logEvery(errorPeriodMs, options.logErrors);
  }

  /** Serves both services on a gRPC server. */
  register(grpc: GrpcServer): void {
    grpc.register(LOAD_REPORT_METHOD, (call) => new LoadReportStream(call, this));
    grpc.register(ACCESS_LOG_METHOD, (call) => new AccessLogStream(call, this));
  }

  close(): void {
    this.#cancel?.();
  }

  /** Whether any proxy reports at all. */
  get isReported(): boolean {
    return this.#streams.size > 0;
  }

  /** Proxies whose load reports are up to date. */
  get loadReporters(): number {
    return this.#inProgress.reporting(this.#options.clock.now());
  }

  get inProgress(): ReadonlyMap<string, number> {
    return this.#inProgress.sums(this.#options.clock.now());
  }

  /** What most often is not answered with 2xx. */
  topErrors(limit: number): ReturnType<ErrorBoard["top"]> {
    return this.#errors.top(limit, this.#options.clock.wall());
  }

  /** Tells somebody of all that is reported from now on, until the returned function is called. */
  tap(tap: TrafficTap): () => void {
    this.#taps.add(tap);
    return () => void this.#taps.delete(tap);
  }

  clusters(): readonly string[] {
    return this.#options.clusters();
  }

  opened(stream: object): void {
    this.#streams.add(stream);
  }

  closed(stream: object): void {
    this.#streams.delete(stream);
    this.#inProgress.remove(stream);
  }

  report(stream: object, loads: readonly SeenLoad[]): void {
    this.#inProgress.report(stream, loads, this.#options.clock.now());
    for (const load of loads) {
      this.meter.load(load);
      for (const tap of this.#taps) tap.onLoad(load);
    }
  }

  request(request: SeenRequest): void {
    this.meter.request(request);
    this.#errors.count(request, this.#options.clock.wall());
    for (const tap of this.#taps) tap.onRequest(request);
  }

  connection(connection: SeenConnection): void {
    this.meter.connection(connection);
  }

  #logEvery(periodMs: number, lines: number): void {
    this.#cancel = this.#options.clock.after(periodMs, () => {
      for (const { count, status, method, url } of this.topErrors(lines).lines)
        this.#options.log.info(`errors: ${count} × ${status} ${method} ${url}`);
      this.#logEvery(periodMs, lines);
    });
  }
}
