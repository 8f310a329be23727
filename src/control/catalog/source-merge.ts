import { endpointAddress, type Endpoint, type SourcedEndpoint } from "../model.ts";

/** How the endpoints of a source stand beside those of other sources for the same service. */
export interface MergeRule {
  /** Envoy's priority level, 0 to 127. */
  readonly priority: number;
  /** Part of the traffic within its priority, relative to other sources' shares; 0 = by the endpoints' own weights. */
  readonly share: number;
}

/** What one source says of one service. */
export interface SourcePart {
  readonly source: string;
  readonly rule: MergeRule;
  readonly endpoints: readonly Endpoint[];
}

/** The sum of the weights of a source with share 1, so that rounding does not show. */
const WEIGHT_OF_SHARE = 1000;
/** Envoy adds the weights of a locality up in 32 bits. */
const MAX_WEIGHT = 1_000_000;

/**
 * The endpoints of one service from all sources that know it: their union. Of two sources that name the same address
 * the first one speaks. Where a source of a priority has a share, the weights of that priority are set so that traffic
 * splits by shares, however many endpoints each source has; a source without one then has share 1.
 */
export function mergeParts(parts: readonly SourcePart[]): SourcedEndpoint[] {
  const merged = new Map<string, SourcedEndpoint>();
  for (const { source, rule, endpoints } of parts) {
    for (const endpoint of endpoints) {
      const address = endpointAddress(endpoint);
      if (!merged.has(address)) merged.set(address, { ...endpoint, source, priority: rule.priority });
    }
  }
  const all = [...merged.values()];
  if (!parts.some(({ rule }) => rule.share > 0)) return all;
  const scales = sourceScales(parts, all);
  return all.map((endpoint) => {
    const scale = scales.get(endpoint.source);
    if (scale === undefined) return endpoint;
    return { ...endpoint, weight: Math.min(MAX_WEIGHT, Math.max(1, Math.round(endpoint.weight * scale))) };
  });
}

/** What to multiply the weights of each source by; sources of priorities without shares have none. */
function sourceScales(
  parts: readonly SourcePart[],
  merged: readonly SourcedEndpoint[],
): ReadonlyMap<string, number> {
  const totals = new Map<string, number>();
  for (const { source, weight, health } of merged) {
    if (health === "healthy" || health === "degraded") totals.set(source, (totals.get(source) ?? 0) + weight);
  }
  const shared = new Set(parts.filter(({ rule }) => rule.share > 0).map(({ rule }) => rule.priority));
  const scales = new Map<string, number>();
  for (const { source, rule } of parts) {
    const total = totals.get(source);
    if (!shared.has(rule.priority) || total === undefined) continue;
    scales.set(source, ((rule.share || 1) * WEIGHT_OF_SHARE) / total);
  }
  return scales;
}
