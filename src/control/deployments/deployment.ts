// A progressive delivery as a pure state machine: what it is, and what follows from what proxies saw.
import { z } from "zod";
import { NO_TRAFFIC, type ObservedTraffic } from "./traffic-judge.ts";

const shares = z.record(z.string(), z.number());

/** What a new version must be like. */
const criteria = z.strictObject({
  /** Percent of requests that must not fail, unless the old version is as bad. */
  min_success_percent: z.number().min(0).max(100).default(99),
  /** How many times as long as with the old version requests may take on average. */
  max_latency_factor: z.number().min(1).default(2),
  /** How many requests are enough to judge by. */
  min_requests: z.int().min(1).default(20),
});

export const deploymentSchema = z.strictObject({
  service: z.string(),
  to: z.string(),
  /** Shares of the versions before. */
  from: shares,
  /** Percent of requests for the new version, one step after the other. */
  steps: z.array(z.number().min(0).max(100)).min(1),
  interval_ms: z.int().min(1),
  criteria: criteria.prefault({}),
  by: z.string(),
  started_at: z.number(),
  phase: z.enum(["running", "paused", "done", "rolled_back", "aborted"]),
  /** Index of the step in force. */
  step: z.int().min(0),
  step_since: z.number(),
  /** Why it ended or was paused. */
  reason: z.string(),
});

export type Deployment = z.infer<typeof deploymentSchema>;
export type DeploymentCriteria = z.infer<typeof criteria>;

/** Traffic since the step began. */
export interface StepTraffic {
  readonly old: ObservedTraffic;
  readonly new: ObservedTraffic;
}

/** Differences in latency below this many milliseconds are noise. */
const LATENCY_NOISE_MS = 5;
/** By how many percent points the new version may succeed less often than the old one when both are bad. */
const NOISE_PERCENT = 0.5;
const WHOLE = 10_000;

/** Whether it still decides where requests go next; one that ended keeps its last shares. */
export function isActive({ phase }: Deployment): boolean {
  return phase === "running" || phase === "paused";
}

/** The shares of all versions that are in force, of 10000. */
export function sharesOf({ phase, from, to, steps, step }: Deployment): Record<string, number> {
  const percent = phase === "rolled_back" || phase === "aborted" ? 0 : phase === "done" ? 100 : steps[step]!;
  const sum = Object.values(from).reduce((all, each) => all + each, 0);
  const shares = Object.entries(from).map(([version, share]): [string, number] => [
    version,
    Math.round(((share / sum) * (100 - percent) * WHOLE) / 100),
  ]);
  return Object.fromEntries([...shares, [to, Math.round((percent * WHOLE) / 100)]]);
}

/** What follows from what was seen. */
export interface Judgement {
  /** The same object when nothing changes. */
  readonly deployment: Deployment;
  /** What it waits for; "" when only for its time. */
  readonly waitsFor: string;
}

/** What becomes of a deployment. */
export function judge(deployment: Deployment, traffic: StepTraffic, now: number): Judgement {
  const waits = (waitsFor: string): Judgement => ({ deployment, waitsFor });
  if (deployment.phase !== "running") return waits("");
  const { steps, step, interval_ms: interval, step_since: since, criteria: wanted } = deployment;
  const { requests } = traffic.new;
  const fault = faultOf(wanted, traffic);
  if (fault !== undefined && requests >= wanted.min_requests)
    return { deployment: ended(deployment, "rolled_back", fault, now), waitsFor: "" };
  if (now - since < interval) return waits("");
  if (steps[step]! > 0 && requests < wanted.min_requests)
    return waits(`traffic: ${requests} of ${wanted.min_requests} requests to ${deployment.to} in this step`);
  if (step < steps.length - 1)
    return { deployment: { ...deployment, step: step + 1, step_since: now, reason: "" }, waitsFor: "" };
  if (steps[step] === 100) return { deployment: ended(deployment, "done", "", now), waitsFor: "" };
  return waits("a decision: the last step is not 100 %");
}

/** Ends it by hand or by judgement. Throws an Error when it has ended already. */
export function ended(
  deployment: Deployment,
  phase: "done" | "rolled_back" | "aborted",
  reason: string,
  now: number,
): Deployment {
  refuseEnded(deployment);
  return { ...deployment, phase, reason, step_since: now };
}

/** Keeps the step in force until it is resumed. Throws an Error when it has ended. */
export function paused(deployment: Deployment, reason: string): Deployment {
  refuseEnded(deployment);
  return { ...deployment, phase: "paused", reason };
}

/** Goes on with the step in force from its beginning. Throws an Error when it is not paused. */
export function resumed(deployment: Deployment, now: number): Deployment {
  if (deployment.phase !== "paused")
    throw new Error(`The deployment of "${deployment.service}" is not paused`);
  return { ...deployment, phase: "running", step_since: now, reason: "" };
}

function refuseEnded(deployment: Deployment): void {
  if (!isActive(deployment)) {
    const how = deployment.phase.replace("_", " ");
    throw new Error(`The deployment of "${deployment.service}" to ${deployment.to} has ended: ${how}`);
  }
}

/** What is wrong with the new version; undefined when it is as good as it must be. */
function faultOf(criteria: DeploymentCriteria, { old, new: fresh }: StepTraffic): string | undefined {
  const [before, after] = [successOf(old), successOf(fresh)];
  const both = old.requests >= criteria.min_requests;
  if (after < criteria.min_success_percent && !(both && after >= before - NOISE_PERCENT)) {
    const than = both ? `, ${before.toFixed(1)} % with the old version` : "";
    return `${after.toFixed(1)} % of ${fresh.requests} requests succeed${than}; ${criteria.min_success_percent} % are wanted`;
  }
  if (both && fresh.meanMs > old.meanMs * criteria.max_latency_factor + LATENCY_NOISE_MS) {
    return `requests take ${fresh.meanMs.toFixed(1)} ms, ${old.meanMs.toFixed(1)} ms with the old version; ${criteria.max_latency_factor} times as long is allowed`;
  }
  return undefined;
}

function successOf({ requests, failures }: ObservedTraffic): number {
  return requests === 0 ? 100 : (100 * (requests - failures)) / requests;
}

/** Of several versions together. */
export function sumTraffic(parts: readonly (ObservedTraffic | undefined)[]): ObservedTraffic {
  return parts.reduce<ObservedTraffic>((sum, each) => {
    if (each === undefined || each.requests === 0) return sum;
    const requests = sum.requests + each.requests;
    const weighted = (of: ObservedTraffic) => (of.requests === 0 ? 0 : of.meanMs * of.requests);
    return {
      requests,
      failures: sum.failures + each.failures,
      meanMs: (weighted(sum) + weighted(each)) / requests,
    };
  }, NO_TRAFFIC);
}
