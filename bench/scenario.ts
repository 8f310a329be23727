import type { Contender } from "./proxies/contender.ts";
import type { ProxyName, Work } from "./proxies/work.ts";

/** What one round found out; a value that a case does not measure is absent. */
export interface Measure {
  /** In the scenario's unit: CPU microseconds per request, kilobytes per connection and so on. */
  cost: number;
  /** Requests, connections or mebibytes per second, as the cost is per one of them. */
  perSecond?: number;
  /** Latencies in microseconds. */
  p50?: number;
  p99?: number;
  p999?: number;
  /** Resident memory of the proxy after the round. */
  residentBytes?: number;
  /** Answers that were not the expected ones, and broken connections. */
  errors?: number;
}

export type Metric = Exclude<keyof Measure, "errors" | "perSecond">;

/** A round: loads the contender for about `seconds` and tells what it saw. */
export type Round = (contender: Contender, seconds: number) => Promise<Measure>;

/** One line of the table: a proxy that does some work under some load. */
export interface Case {
  proxy: ProxyName;
  /** Tells cases of one proxy apart, as "10,000 routes"; "" when there is only one. */
  variant: string;
  work: Work;
  round: Round;
}

/** What is promised of Weft: its `metric` is at most `atMost` times that of `against`, or `atMost` when there is no other. */
export interface Bar {
  variant?: string;
  metric: Metric;
  atMost: number;
  against?: { proxy: ProxyName; variant?: string };
}

export interface Scenario {
  name: string;
  /** What is measured, in a few words. */
  about: string;
  /** Unit of the cost, as "us/request". */
  unit: string;
  cases: readonly Case[];
  bars: readonly Bar[];
  /** A new process for every round instead of one for all. */
  fresh?: boolean;
  /** Instead of the number that was asked for, where more say nothing new. */
  rounds?: number;
}

/** The same work and load for several proxies. */
export function casesOf(
  proxies: readonly ProxyName[],
  work: Work,
  round: Round,
  variant = "",
): readonly Case[] {
  return proxies.map((proxy) => ({ proxy, variant, work, round }));
}

/** The bar on CPU time, and on other costs, against Envoy's. */
export function againstEnvoy(atMost: number): Bar {
  return { metric: "cost", atMost, against: { proxy: "envoy" } };
}
