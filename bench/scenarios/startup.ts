import { cpuMicros, residentBytes } from "../process-cost.ts";
import { work } from "../proxies/work.ts";
import { casesOf, type Scenario } from "../scenario.ts";

/** Weft's first start after a change of sources fills Node's cache of compiled code, so that the median of three is honest. */
export const startupScenario: Scenario = {
  name: "startup",
  about: "CPU time of a start until it is live; the p50 column is its wall time",
  unit: "ms",
  fresh: true,
  cases: casesOf(["weft", "envoy"], work(), ({ pid, startMs }) =>
    Promise.resolve({ cost: cpuMicros(pid) / 1000, p50: startMs * 1000, residentBytes: residentBytes(pid) }),
  ),
  bars: [],
};
