import type { LoadResult } from "./load.ts";

/** One contender's round. */
export interface Round extends LoadResult {
  cpuMicrosPerRequest: number;
  residentBytes: number;
}

/** Medians over a contender's rounds. */
export interface Summary {
  name: string;
  rounds: readonly Round[];
  cpuMicrosPerRequest: number;
  requestsPerSecond: number;
  /** Requests that one core could serve: a second of CPU time over the cost of a request. */
  requestsPerCoreSecond: number;
  p50: number;
  p99: number;
  residentBytes: number;
  errors: number;
}

export function summarise(name: string, rounds: readonly Round[]): Summary {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  const cost = of((round) => round.cpuMicrosPerRequest);
  return {
    name,
    rounds,
    cpuMicrosPerRequest: cost,
    requestsPerSecond: of((round) => round.requestsPerSecond),
    requestsPerCoreSecond: 1_000_000 / cost,
    p50: of((round) => round.p50),
    p99: of((round) => round.p99),
    residentBytes: of((round) => round.residentBytes),
    errors: rounds.reduce((sum, round) => sum + round.errors, 0),
  };
}

/** A table of all contenders; the ratios say how many requests per unit of CPU one serves against the named other. */
export function table(summaries: readonly Summary[]): string {
  const cost = (name: string): number | undefined =>
    summaries.find((summary) => summary.name === name)?.cpuMicrosPerRequest;
  const ratio = (against: string, summary: Summary): string => {
    const other = cost(against);
    return other === undefined ? "-" : `${(other / summary.cpuMicrosPerRequest).toFixed(2)}x`;
  };
  const head = ["proxy", "cpu us/req", "req/s/core", "req/s seen", "p50 us", "p99 us", "RSS MB", "errors"];
  const rows = summaries.map((summary) => [
    summary.name,
    summary.cpuMicrosPerRequest.toFixed(1),
    summary.requestsPerCoreSecond.toFixed(0),
    summary.requestsPerSecond.toFixed(0),
    summary.p50.toFixed(0),
    summary.p99.toFixed(0),
    (summary.residentBytes / 1e6).toFixed(0),
    String(summary.errors),
    ratio("envoy", summary),
    ratio("haproxy", summary),
  ]);
  return align([[...head, "vs envoy", "vs haproxy"], ...rows]);
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_cell, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
    )
    .join("\n");
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
