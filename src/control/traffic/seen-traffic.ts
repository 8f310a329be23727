/** One request as the access log of a proxy tells it. */
export interface SeenRequest {
  /** The upstream cluster; "" when no route was found. */
  readonly cluster: string;
  /** `node.cluster` of the proxy. */
  readonly nodeCluster: string;
  /** 0 when the client went away before there was a response. */
  readonly status: number;
  readonly method: string;
  /** Name of the route; "" for none. */
  readonly route: string;
  /** `scheme://authority/path`, without the query. */
  readonly url: string;
  /** When it began, in milliseconds since the Unix epoch by the proxy's clock; NaN when it does not say. */
  readonly startMs: number;
  /** Until the end of the response, in milliseconds; NaN when it does not say. */
  readonly durationMs: number;
}

/** One TCP connection as the access log of a proxy tells it. */
export interface SeenConnection {
  readonly cluster: string;
  readonly nodeCluster: string;
  /** Whether it reached a host. */
  readonly connected: boolean;
}

/** What a proxy sent to the hosts of a cluster since its last report. */
export interface SeenLoad {
  readonly cluster: string;
  readonly nodeCluster: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly issued: number;
  /** At the time of the report. */
  readonly inProgress: number;
  /** Requests that were not sent, by category: `lb_drop`, or "" for those that a breaker stopped. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Named numbers that backends told of requests: how many requests did, and their sum. */
  readonly metrics: ReadonlyMap<string, { readonly requests: number; readonly total: number }>;
  /** Time that the report covers, in milliseconds. */
  readonly intervalMs: number;
}

/** Whom traffic is told to. */
export interface TrafficTap {
  onRequest(request: SeenRequest): void;
  onLoad(load: SeenLoad): void;
}
