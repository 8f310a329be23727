// How load is spread over priorities (source/common/upstream/load_balancer_impl.cc): whole percents and integer
// divisions are Envoy's, so that the shares come out the same.

/** What the calculation knows of one priority. */
export interface PriorityHealth {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
}

/** Shares of one priority. */
export interface PriorityLoad {
  /** Percent of the load for its healthy hosts, or for all its hosts in panic. */
  healthy: number;
  /** Percent of the load for its degraded hosts. */
  degraded: number;
  /** Too few hosts are available: health is disregarded. */
  panic: boolean;
}

/**
 * Shares of all priorities; they sum up to 100.
 *
 * @param overprovisioning percent, 140 by default: a priority with 100/140 of its hosts healthy still takes all load
 * @param panicThreshold percent of available hosts below which a priority panics; 0 = never
 */
export function priorityLoads(
  priorities: readonly PriorityHealth[],
  overprovisioning: number,
  panicThreshold: number,
): PriorityLoad[] {
  const loads: PriorityLoad[] = priorities.map(() => ({ healthy: 0, degraded: 0, panic: false }));
  if (loads.length === 0) return loads;
  const healthy = priorities.map((p) => availability(p.healthy, p.total, overprovisioning));
  const degraded = priorities.map((p) => availability(p.degraded, p.total, overprovisioning));
  const available = Math.min(100, sum(healthy) + sum(degraded));
  if (available > 0) distribute(loads, healthy, degraded, available);
  applyPanic(loads, priorities, available, Math.min(100, panicThreshold));
  return loads;
}

function availability(some: number, total: number, overprovisioning: number): number {
  return total === 0 ? 0 : Math.min(100, Math.floor((overprovisioning * some) / total));
}

function distribute(
  loads: PriorityLoad[],
  healthy: readonly number[],
  degraded: readonly number[],
  available: number,
): void {
  let left = 100;
  for (let i = 0; i < loads.length; i++) {
    loads[i]!.healthy = Math.min(left, Math.floor((healthy[i]! * 100) / available));
    left -= loads[i]!.healthy;
  }
  for (let i = 0; i < loads.length; i++) {
    loads[i]!.degraded = Math.min(left, Math.floor((degraded[i]! * 100) / available));
    left -= loads[i]!.degraded;
  }
  // What rounding left over goes to the first priority that has something.
  const first = healthy.findIndex((share) => share > 0);
  if (first >= 0) loads[first]!.healthy += left;
  else loads[degraded.findIndex((share) => share > 0)]!.degraded += left;
}

function applyPanic(
  loads: PriorityLoad[],
  priorities: readonly PriorityHealth[],
  available: number,
  threshold: number,
): void {
  if (threshold === 0 && available === 0) {
    loads[0]!.healthy = 100;
    return;
  }
  for (let i = 0; i < loads.length; i++) {
    const { total, healthy, degraded } = priorities[i]!;
    const percent = total === 0 ? 0 : (100 * (healthy + degraded)) / total;
    loads[i]!.panic = available < 100 && percent < threshold;
  }
  if (loads.every((load) => load.panic)) shareByHosts(loads, priorities);
}

/** With every priority in panic, each gets load by the number of its hosts. */
function shareByHosts(loads: PriorityLoad[], priorities: readonly PriorityHealth[]): void {
  const total = priorities.reduce((count, priority) => count + priority.total, 0);
  let left = 100;
  for (let i = 0; i < loads.length; i++) {
    loads[i]!.healthy = total === 0 ? 0 : Math.floor((100 * priorities[i]!.total) / total);
    loads[i]!.degraded = 0;
    left -= loads[i]!.healthy;
  }
  const first = priorities.findIndex((priority) => priority.total > 0);
  loads[Math.max(0, first)]!.healthy += left;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
