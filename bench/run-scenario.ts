import { cpuMicros } from "./process-cost.ts";
import type { Contender, Site } from "./proxies/contender.ts";
import { startContender } from "./proxies/start-contender.ts";
import type { Case, Measure, Round, Scenario } from "./scenario.ts";

/** What the rounds of a case came to. */
export interface CaseResult {
  proxy: string;
  variant: string;
  rounds: readonly Measure[];
  /** Medians over the rounds; errors are summed up. */
  median: Measure;
}

export interface Pace {
  rounds: number;
  seconds: number;
}

/** CPU time that a proxy uses before it is measured, in microseconds: some compile their code while it runs. */
const WARM_UP_CPU = 3_000_000;
/** Seconds of a round to that end, and how many there are at most. */
const WARM_UP_SECONDS = 2;
const WARM_UP_ROUNDS = 8;

/**
 * Runs a scenario: the rounds of its cases take turns, in an order that rotates, so that a noisy neighbour hits all of them.
 * A case whose proxy cannot be started does not take part.
 */
export async function runScenario(scenario: Scenario, site: Site, pace: Pace): Promise<CaseResult[]> {
  const rounds = Math.min(pace.rounds, scenario.rounds ?? Infinity);
  const measured = scenario.fresh
    ? await inFreshProcesses(scenario, site, pace, rounds)
    : await inLastingProcesses(scenario, site, pace, rounds);
  return scenario.cases.flatMap((each) => {
    const found = measured.get(each);
    if (found === undefined || found.length === 0) return [];
    const { proxy, variant } = each;
    return [{ proxy, variant, rounds: found, median: medianOf(found) }];
  });
}

async function inLastingProcesses(
  scenario: Scenario,
  site: Site,
  pace: Pace,
  rounds: number,
): Promise<Measured> {
  const contenders = new Map<Case, Contender>();
  for (const each of scenario.cases) {
    const contender = await tryToStart(each, site);
    if (contender !== undefined) contenders.set(each, contender);
  }
  const measured: Measured = new Map();
  try {
    for (const [{ round }, contender] of contenders) await warmUp(round, contender);
    for (let i = 0; i < rounds; i++)
      for (const [each, contender] of rotated([...contenders], i))
        await measure(each, contender, pace, measured);
  } finally {
    for (const contender of contenders.values()) await contender.stop();
  }
  return measured;
}

async function inFreshProcesses(
  scenario: Scenario,
  site: Site,
  pace: Pace,
  rounds: number,
): Promise<Measured> {
  const measured: Measured = new Map();
  for (let i = 0; i < rounds; i++) {
    for (const each of rotated(scenario.cases, i)) {
      const contender = await tryToStart(each, site);
      if (contender === undefined) continue;
      await measure(each, contender, pace, measured).finally(() => contender.stop());
    }
  }
  return measured;
}

type Measured = Map<Case, Measure[]>;

async function tryToStart(each: Case, site: Site): Promise<Contender | undefined> {
  try {
    return await startContender(each.proxy, each.work, site);
  } catch (error) {
    console.error(`${each.proxy} does not take part: ${(error as Error).message.split("\n")[0]}`);
    return undefined;
  }
}

async function warmUp(round: Round, contender: Contender): Promise<void> {
  const begin = cpuMicros(contender.pid);
  for (let i = 0; i < WARM_UP_ROUNDS && cpuMicros(contender.pid) - begin < WARM_UP_CPU; i++)
    await round(contender, WARM_UP_SECONDS);
}

async function measure(each: Case, contender: Contender, pace: Pace, measured: Measured): Promise<void> {
  const found = await each.round(contender, pace.seconds);
  measured.set(each, [...(measured.get(each) ?? []), found]);
  console.error(`  ${each.proxy} ${each.variant}: ${found.cost.toFixed(1)}`);
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const first = by % Math.max(1, items.length);
  return [...items.slice(first), ...items.slice(0, first)];
}

function medianOf(rounds: readonly Measure[]): Measure {
  const result: Measure = { cost: 0 };
  for (const key of Object.keys(rounds[0]!) as (keyof Measure)[]) {
    const values = rounds.map((round) => round[key] ?? 0).toSorted((a, b) => a - b);
    const middle = values.length >> 1;
    const median = values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
    result[key] = key === "errors" ? values.reduce((sum, value) => sum + value, 0) : median;
  }
  return result;
}
