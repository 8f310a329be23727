/** What proxies saw of one cluster while it was watched. */
export interface ObservedTraffic {
  /** Requests that ended. */
  readonly requests: number;
  /** Those of them with a 5xx response, or none. */
  readonly failures: number;
  /** Mean time to the end of the response, in milliseconds; NaN when nothing was measured. */
  readonly meanMs: number;
}

export const NO_TRAFFIC: ObservedTraffic = { requests: 0, failures: 0, meanMs: Number.NaN };

/** Looks at some clusters from a moment on. */
export interface TrafficWatch {
  /** What was seen since the watch began; a cluster that nothing was seen of may be missing. Throws an Error when nobody can tell. */
  read(): Promise<ReadonlyMap<string, ObservedTraffic>>;
  /** Nobody will read it again. */
  close(): void;
}

/**
 * Where numbers about traffic come from: the proxies' own statistics, their access logs, their load reports. It must not
 * count what happened before a watch began.
 */
export interface TrafficJudge {
  watch(clusters: readonly string[]): TrafficWatch;
}
