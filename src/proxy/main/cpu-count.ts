import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";

/** Where the numbers come from; tests have files of their own. */
export interface CpuSources {
  readonly env: NodeJS.ProcessEnv;
  /** CPUs that the process may run on (affinity, cpusets). */
  readonly available: number;
  /** Text of a file, undefined if it cannot be read. */
  read(path: string): string | undefined;
}

const SYSTEM: CpuSources = { env: process.env, available: availableParallelism(), read };

/**
 * Worker threads by default, as Envoy counts them: the CPUs this process may run on, but no more than its cgroup and those
 * above it pay for (rounded down), at least one. ENVOY_CGROUP_CPU_DETECTION=false leaves cgroups out.
 */
export function defaultConcurrency(sources: CpuSources = SYSTEM): number {
  const { available } = sources;
  if (sources.env["ENVOY_CGROUP_CPU_DETECTION"] === "false") return available;
  return Math.max(1, Math.min(available, Math.floor(cgroupCpus(sources))));
}

/** CPUs of the smallest quota that holds for this process; Infinity = unlimited. */
function cgroupCpus({ read: readFile }: CpuSources): number {
  const lines = (readFile("/proc/self/cgroup") ?? "0::/\n1:cpu:/").split("\n");
  let cpus = Infinity;
  for (const line of lines) {
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isV2 = controllers === "" && line !== "";
    if (!isV2 && !controllers.split(",").includes("cpu")) continue;
    // In a container the path may be the host's: then only the mount's own root is there.
    for (const folder of new Set([...ancestors(path), "/"])) {
      const quota = isV2
        ? parseCpuMax(readFile(join("/sys/fs/cgroup", folder, "cpu.max")) ?? "")
        : v1Cpus(join("/sys/fs/cgroup/cpu", folder), readFile);
      cpus = Math.min(cpus, quota ?? Infinity);
    }
  }
  return cpus;
}

/** A path and all above it. */
function ancestors(path: string): string[] {
  return path === "/" ? ["/"] : [path, ...ancestors(dirname(path))];
}

function v1Cpus(folder: string, readFile: CpuSources["read"]): number | undefined {
  const quota = Number(readFile(join(folder, "cpu.cfs_quota_us")) ?? -1);
  const period = Number(readFile(join(folder, "cpu.cfs_period_us")) ?? 0);
  return quota > 0 && period > 0 ? quota / period : undefined;
}

/** Reads cgroup v2's "quota period" line. */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period] = text.trim().split(/\s+/);
  if (quota === "max" || !(Number(quota) > 0) || !(Number(period) > 0)) return undefined;
  return Number(quota) / Number(period);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
