import type { CaseResult } from "./run-scenario.ts";
import type { Bar, Scenario } from "./scenario.ts";

/** A scenario with what it came to. */
export interface ScenarioResult {
  scenario: Scenario;
  cases: readonly CaseResult[];
}

/** A bar with the number to compare; undefined when one of its cases did not take part. */
export interface BarResult {
  bar: Bar;
  value: number | undefined;
}

/** What costs are compared with, if it takes part. */
const OTHERS = ["envoy", "haproxy", "base"];
const HEAD = [
  "scenario",
  "proxy",
  "cost",
  "unit",
  "per second",
  "p50 us",
  "p99 us",
  "p99.9 us",
  "RSS MB",
  "errors",
];

/** All scenarios in one table, costs also as ratios to those of others, and whether Weft's bars are met. */
export function table(results: readonly ScenarioResult[]): string {
  const others = OTHERS.filter((other) =>
    results.some(({ cases }) => cases.some(({ proxy }) => proxy === other)),
  );
  const rows = results.flatMap((result) => result.cases.map((each) => row(result, each, others)));
  return align([[...HEAD, ...others.map((other) => `/${other}`), "bar"], ...rows]);
}

export function barResults({ scenario, cases }: ScenarioResult): BarResult[] {
  return scenario.bars.map((bar) => {
    const own = find(cases, "weft", bar.variant)?.median[bar.metric];
    if (bar.against === undefined) return { bar, value: own };
    const other = find(cases, bar.against.proxy, bar.against.variant)?.median[bar.metric];
    return { bar, value: own === undefined || other === undefined ? undefined : own / other };
  });
}

function row(
  result: ScenarioResult,
  { proxy, variant, median }: CaseResult,
  others: readonly string[],
): string[] {
  const ratio = (other: string): string => {
    const against = find(result.cases, other, variant);
    return against === undefined ? "-" : (median.cost / against.median.cost).toFixed(2);
  };
  return [
    result.scenario.name,
    variant === "" ? proxy : `${proxy}, ${variant}`,
    median.cost.toFixed(1),
    result.scenario.unit,
    whole(median.perSecond),
    whole(median.p50),
    whole(median.p99),
    whole(median.p999),
    whole(median.residentBytes === undefined ? undefined : median.residentBytes / 1e6),
    whole(median.errors),
    ...others.map(ratio),
    proxy === "weft" ? verdicts(result, variant) : "",
  ];
}

function verdicts(result: ScenarioResult, variant: string): string {
  const own = barResults(result).filter(({ bar }) => (bar.variant ?? "") === variant);
  return own.map(verdict).join("; ");
}

function verdict({ bar, value }: BarResult): string {
  const { metric, atMost, against } = bar;
  const other = against?.variant ?? against?.proxy;
  const claim = `${metric}${other === undefined ? "" : ` / ${other}`} <= ${atMost}`;
  if (value === undefined) return `${claim}: not measured`;
  return `${claim}: ${value <= atMost ? "met" : "MISSED"} (${value.toFixed(2)})`;
}

function find(cases: readonly CaseResult[], proxy: string, variant = ""): CaseResult | undefined {
  return cases.find((each) => each.proxy === proxy && each.variant === variant);
}

function whole(value: number | undefined): string {
  return value === undefined ? "-" : value.toFixed(0);
}

/** The first two columns and the last hold text. */
function align(rows: readonly (readonly string[])[]): string {
  const last = rows[0]!.length - 1;
  const widths = rows[0]!.map((_cell, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows
    .map((cells) =>
      cells
        .map((cell, i) => (i < 2 || i === last ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
