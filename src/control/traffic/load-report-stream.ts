import { encodeFrame } from "../../grpc/frame.ts";
import type { GrpcCall, GrpcCallHandler } from "../../grpc/server-method.ts";
import { GRPC_STATUS } from "../../grpc/status.ts";
import { durationMs, msDuration } from "../../proto/duration.ts";
import { create, decode, encode, type MessageOf } from "../../proto/registry.ts";
import type { SeenLoad } from "./seen-traffic.ts";

type ClusterStats = MessageOf<"envoy.config.endpoint.v3.ClusterStats">;

export const LOAD_REPORT_METHOD = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats";

/** Where reports go. */
export interface LoadReportOwner {
  readonly intervalMs: number;
  /** Clusters that a client is asked about which cannot tell of all it has. */
  clusters(): readonly string[];
  /** @param stream the same object for all reports of a stream and for `closed` */
  report(stream: object, loads: readonly SeenLoad[]): void;
  opened(stream: object): void;
  closed(stream: object): void;
}

const RESPONSE = "envoy.service.load_stats.v3.LoadStatsResponse";
/** Client feature of Envoy and gRPC. */
const SENDS_ALL = "envoy.lrs.supports_send_all_clusters";

/** One stream of load reports (LRS): the first request says who reports, the answer what to report and how often. */
export class LoadReportStream implements GrpcCallHandler {
  readonly #call: GrpcCall;
  readonly #owner: LoadReportOwner;
  #nodeCluster = "";
  #sendsAll = false;
  /** What was asked for; undefined before the first answer. */
  #asked: string | undefined;

  constructor(call: GrpcCall, owner: LoadReportOwner) {
    this.#call = call;
    this.#owner = owner;
    owner.opened(this);
  }

  onMessage(bytes: Buffer): void {
    const { node, clusterStats } = decode("envoy.service.load_stats.v3.LoadStatsRequest", bytes);
    if (node !== undefined) {
      this.#nodeCluster = node.cluster;
      this.#sendsAll = node.clientFeatures.includes(SENDS_ALL);
    }
    this.#owner.report(
      this,
      clusterStats.map((stats) => seenLoad(stats, this.#nodeCluster)),
    );
    this.#ask();
  }

  onEnd(): void {
    this.#call.end(GRPC_STATUS.ok);
  }

  /** What is not yet reported comes on the client's next stream. */
  onGoAway(): void {
    this.#call.end(GRPC_STATUS.ok);
  }

  onClose(): void {
    this.#owner.closed(this);
  }

  #ask(): void {
    const clusters = this.#sendsAll ? [] : this.#owner.clusters();
    const asked = clusters.join("\n");
    if (this.#asked === asked) return;
    this.#asked = asked;
    const response = create(RESPONSE, {
      clusters: [...clusters],
      sendAllClusters: this.#sendsAll,
      loadReportingInterval: msDuration(this.#owner.intervalMs),
    });
    this.#call.send(encodeFrame(encode(RESPONSE, response)));
  }
}

function seenLoad(stats: ClusterStats, nodeCluster: string): SeenLoad {
  let [succeeded, failed, issued, inProgress] = [0, 0, 0, 0];
  const metrics = new Map<string, { requests: number; total: number }>();
  for (const locality of stats.upstreamLocalityStats) {
    succeeded += Number(locality.totalSuccessfulRequests);
    failed += Number(locality.totalErrorRequests);
    issued += Number(locality.totalIssuedRequests);
    inProgress += Number(locality.totalRequestsInProgress);
    for (const { metricName, numRequestsFinishedWithMetric, totalMetricValue } of locality.loadMetricStats) {
      const sum = metrics.get(metricName) ?? { requests: 0, total: 0 };
      sum.requests += Number(numRequestsFinishedWithMetric);
      sum.total += totalMetricValue;
      metrics.set(metricName, sum);
    }
  }
  return {
    cluster: stats.clusterName,
    nodeCluster,
    succeeded,
    failed,
    issued,
    inProgress,
    dropped: drops(stats),
    metrics,
    intervalMs: durationMs(stats.loadReportInterval, 0),
  };
}

/** The total has all drops in it, also those that have a category. */
function drops({ totalDroppedRequests, droppedRequests }: ClusterStats): Map<string, number> {
  const dropped = new Map(droppedRequests.map((each) => [each.category, Number(each.droppedCount)]));
  const named = [...dropped.values()].reduce((sum, each) => sum + each, 0);
  const rest = Number(totalDroppedRequests) - named;
  if (rest > 0) dropped.set("", rest);
  return dropped;
}
