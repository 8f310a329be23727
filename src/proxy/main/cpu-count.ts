import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/**
 * Worker threads by default, as Envoy counts them: the CPUs this process may run on, but no more than its cgroup pays
 * for (rounded down), at least one. ENVOY_CGROUP_CPU_DETECTION=false leaves the cgroup out.
 */
export function defaultConcurrency(env: NodeJS.ProcessEnv = process.env): number {
  const cpus = availableParallelism();
  if (env["ENVOY_CGROUP_CPU_DETECTION"] === "false") return cpus;
  const limit = cgroupCpus();
  return Math.max(1, limit === undefined ? cpus : Math.min(cpus, Math.floor(limit)));
}

/** CPUs of the cgroup's quota; undefined = unlimited. */
function cgroupCpus(): number | undefined {
  const v2 = read("/sys/fs/cgroup/cpu.max");
  if (v2 !== undefined) return parseCpuMax(v2);
  const quota = Number(read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") ?? -1);
  const period = Number(read("/sys/fs/cgroup/cpu/cpu.cfs_period_us") ?? 0);
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
