import type { MetricLabels, TextMetrics } from "../../base/text-metrics.ts";
import { clusterParts } from "../views/scope.ts";
import type { LabelSets } from "./label-sets.ts";
import type { Traffic } from "./traffic.ts";
import type { Count } from "./traffic-meter.ts";

/** Shows what proxies tell of their traffic on a page of metrics. */
export function addTrafficMetrics(page: TextMetrics, traffic: Traffic): void {
  const { meter } = traffic;
  const counts = (name: string, help: string, sets: LabelSets<Count>) =>
    page.readCounter(name, help, () => each(sets, ({ value }) => value));
  page.readCounter("weft_traffic_requests_total", "Requests in access logs, by status class", () =>
    each(meter.requests, ({ requests }) => requests),
  );
  page.readHistogram(
    "weft_traffic_request_seconds",
    "Time to the end of the response, from access logs",
    () => meter.requests,
  );
  counts("weft_traffic_connections_total", "TCP connections in access logs", meter.connections);
  counts("weft_load_requests_total", "Requests to hosts that ended, from load reports", meter.loads);
  counts("weft_load_issued_total", "Requests sent to hosts, from load reports", meter.issued);
  counts("weft_load_dropped_total", "Requests not sent to any host, from load reports", meter.drops);
  counts(
    "weft_load_backend_metric_requests_total",
    "Requests of which backends told a named number, from load reports",
    meter.backendRequests,
  );
  counts("weft_load_backend_metric_sum", "Sum of those numbers", meter.backendTotals);
  page.gauge("weft_load_in_progress", "Requests in progress at the last load report", () =>
    Array.from(traffic.inProgress, ([cluster, count]) => [{ ...clusterParts(cluster) }, count] as const),
  );
  page.gauge("weft_load_reporters", "Proxies whose load reports are up to date", () => traffic.loadReporters);
  page.readCounter(
    "weft_traffic_folded_total",
    "Observations counted as other, because there were too many label sets",
    () => meter.folded,
  );
}

function each<T>(sets: LabelSets<T>, read: (value: T) => number): (readonly [MetricLabels, number])[] {
  return Array.from(sets, ([labels, value]) => [labels, read(value)] as const);
}
