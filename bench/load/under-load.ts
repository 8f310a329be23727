import { cpuMicros, residentBytes } from "../process-cost.ts";
import type { Contender } from "../proxies/contender.ts";
import type { Round } from "../scenario.ts";
import type { LoadResult } from "./run-load.ts";

/** A round whose cost is the CPU time of the proxy per request, or per `unitsPerRequest` of what a request carries. */
export function underLoad(
  load: (contender: Contender, seconds: number) => Promise<LoadResult>,
  unitsPerRequest = 1,
): Round {
  return async (contender, seconds) => {
    const before = cpuMicros(contender.pid);
    const { requests, perSecond, ...rest } = await load(contender, seconds);
    const cost = (cpuMicros(contender.pid) - before) / (requests * unitsPerRequest);
    return {
      ...rest,
      cost,
      perSecond: perSecond * unitsPerRequest,
      residentBytes: residentBytes(contender.pid),
    };
  };
}
