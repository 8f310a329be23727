import { Option, type Command } from "commander";
import { EXTRA_LABELS, type ExtraLabel } from "../../control/traffic/traffic-meter.ts";
import type { TrafficSettings } from "../../control/traffic/traffic.ts";
import { UsageError } from "../command.ts";

/** Flags about what proxies report of their traffic. */
export interface TrafficFlags {
  loadInterval: string;
  trafficSeries: string;
  trafficLabel?: ExtraLabel[];
}

/** Adds the flags to a command. */
export function addTrafficFlags(command: Command): void {
  command
    .option("--load-interval <seconds>", "how often proxies report loads", "10")
    .option("--traffic-series <number>", "label sets of each traffic metric; the rest becomes other", "1000")
    .addOption(
      new Option(
        "--traffic-label <names...>",
        "more labels on weft_traffic_requests_total; each makes more series",
      ).choices(EXTRA_LABELS),
    );
}

/** What the flags say. Throws a UsageError for flags that make no sense. */
export function trafficSettings(flags: TrafficFlags): TrafficSettings {
  return {
    loadIntervalMs: 1000 * positive("--load-interval", flags.loadInterval),
    maxSeries: positive("--traffic-series", flags.trafficSeries),
    labels: flags.trafficLabel ?? [],
  };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new UsageError(`${flag} is "${text}": it must be a number above 0`);
}
