import { buildCodecStats, type H2CodecStats } from "../http/h2/codec-stats.ts";
import type { StatScope } from "../stats/stat-store.ts";

/** Handles of what HTTP/2 codecs count in a scope that ends in "http2.". Like Envoy's, they exist from the first codec on. */
export function h2CodecStats(scope: StatScope): H2CodecStats {
  return buildCodecStats(
    (name) => scope.counter(name),
    (name) => scope.gauge(name),
  );
}
