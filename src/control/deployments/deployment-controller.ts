import type { Clock } from "../../base/clock.ts";
import type { Configuration, Deployments } from "../configuration/configuration.ts";
import type { Catalog } from "../model.ts";
import type { SourceLog } from "../catalog/source.ts";
import { clusterName } from "../views/scope.ts";
import {
  deploymentSchema,
  ended,
  isActive,
  judge,
  paused,
  resumed,
  sumTraffic,
  type Deployment,
  type DeploymentCriteria,
} from "./deployment.ts";
import type { TrafficJudge, TrafficWatch } from "./traffic-judge.ts";

/** What is asked for. */
export interface DeploymentRequest {
  readonly service: string;
  readonly to: string;
  readonly steps: readonly number[];
  readonly intervalMs: number;
  readonly criteria?: Partial<DeploymentCriteria>;
  readonly by: string;
}

export interface DeploymentControllerOptions {
  readonly configuration: Configuration;
  readonly catalog: () => Catalog;
  readonly judge: TrafficJudge;
  readonly clock: Clock;
  readonly log: SourceLog;
  /** How often running deployments are looked at, in milliseconds. */
  readonly tickMs?: number;
}

interface Watched {
  /** The step that is watched: another one needs a watch of its own. */
  readonly since: number;
  readonly watch: TrafficWatch;
}

const TICK_MS = 1000;

/** Shifts requests from the versions of services to new ones, step by step, as long as proxies see that it goes well. */
export class DeploymentController {
  readonly #options: DeploymentControllerOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #waitsFor = new Map<string, string>();
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(options: DeploymentControllerOptions) {
    this.#options = options;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    for (const service of this.#watched.keys()) this.#unwatch(service);
  }

  /** Throws an Error that says why it cannot be. */
  async start(request: DeploymentRequest): Promise<Deployment> {
    const { configuration, clock } = this.#options;
    const { service, to, by } = request;
    const now = Math.round(clock.wall());
    const note = {
      by,
      source: "api",
      message: `deploy ${service} ${to} in steps of ${request.steps.join(", ")} %`,
    };
    await configuration.changeDeployments(note, (deployments) => {
      const running = deployments[service];
      if (running !== undefined && isActive(running))
        throw new Error(`A deployment of "${service}" to ${running.to} is ${running.phase}: abort it first`);
      const deployment = deploymentSchema.parse({
        service,
        to,
        from: this.#sharesBefore(service, to),
        steps: request.steps,
        interval_ms: request.intervalMs,
        criteria: request.criteria ?? {},
        by,
        started_at: now,
        phase: "running",
        step: 0,
        step_since: now,
        reason: "",
      } satisfies Record<keyof Deployment, unknown>);
      return { ...deployments, [service]: deployment };
    });
    const started = configuration.deployments[service]!;
    this.#watch(started);
    return started;
  }

  async pause(service: string, by: string): Promise<void> {
    await this.#change(service, by, "pause", (each) => paused(each, `by ${by}`));
  }

  async resume(service: string, by: string): Promise<void> {
    await this.#change(service, by, "resume", (each) =>
      resumed(each, Math.round(this.#options.clock.wall())),
    );
  }

  /** Goes back to the shares from before. */
  async abort(service: string, by: string): Promise<void> {
    await this.#change(service, by, "abort", (each) =>
      ended(each, "aborted", `by ${by}`, Math.round(this.#options.clock.wall())),
    );
  }

  /** What a running deployment waits for besides its time; "" for nothing. */
  waitsFor(service: string): string {
    return this.#waitsFor.get(service) ?? "";
  }

  /** Looks at all running deployments once. */
  async tick(): Promise<void> {
    const { configuration, log } = this.#options;
    for (const deployment of Object.values(configuration.deployments)) {
      if (deployment.phase !== "running") {
        this.#unwatch(deployment.service);
        this.#waitsFor.delete(deployment.service);
        continue;
      }
      try {
        await this.#judge(deployment);
      } catch (error) {
        const { message } = error as Error;
        const waitsFor = `somebody to judge by: ${message}`;
        // Said once, and not at every look.
        if (this.#waitsFor.get(deployment.service) !== waitsFor)
          log.warn(`cannot judge the deployment of ${deployment.service}: ${message}`);
        this.#waitsFor.set(deployment.service, waitsFor);
      }
    }
  }

  async #judge(deployment: Deployment): Promise<void> {
    const { configuration, clock, log } = this.#options;
    const { service, to, from } = deployment;
    const seen = await this.#watch(deployment).read();
    const traffic = {
      old: sumTraffic(Object.keys(from).map((version) => seen.get(clusterName(service, version)))),
      new: sumTraffic([seen.get(clusterName(service, to))]),
    };
    const { deployment: next, waitsFor } = judge(deployment, traffic, Math.round(clock.wall()));
    this.#waitsFor.set(service, waitsFor);
    if (next === deployment) return;
    const message = describe(next);
    const note = { by: "deployment", source: `deployment of ${service}`, message };
    const changed = await configuration.changeDeployments(note, (deployments) =>
      // Somebody may have decided meanwhile; what was seen is of a step that no longer is.
      sameStep(deployments[service], deployment) ? { ...deployments, [service]: next } : undefined,
    );
    if (changed !== undefined && next.phase === "rolled_back") log.warn(message);
  }

  #watch(deployment: Deployment): Watched["watch"] {
    const { service, to, from, step_since: since } = deployment;
    let watched = this.#watched.get(service);
    if (watched?.since !== since) {
      this.#unwatch(service);
      const clusters = [...Object.keys(from), to].map((version) => clusterName(service, version));
      watched = { since, watch: this.#options.judge.watch(clusters) };
      this.#watched.set(service, watched);
    }
    return watched.watch;
  }

  #unwatch(service: string): void {
    this.#watched.get(service)?.watch.close();
    this.#watched.delete(service);
  }

  async #change(
    service: string,
    by: string,
    what: string,
    update: (deployment: Deployment) => Deployment,
  ): Promise<void> {
    const note = { by, source: "api", message: `${what} the deployment of ${service}` };
    await this.#options.configuration.changeDeployments(note, (deployments) => {
      const deployment = deployments[service];
      if (deployment === undefined) throw new Error(`There is no deployment of "${service}"`);
      return { ...deployments, [service]: update(deployment) };
    });
  }

  /** What requests to a service are shared by, without the new version. */
  #sharesBefore(service: string, to: string): Record<string, number> {
    const { configuration, catalog } = this.#options;
    const endpoints = catalog().get(service);
    if (endpoints === undefined) throw new Error(`No source knows a service "${service}"`);
    const fit = endpoints.filter(({ health }) => health === "healthy" || health === "degraded");
    if (!fit.some(({ version }) => version === to)) {
      const known = [...new Set(endpoints.map(({ version }) => version || "(none)"))].join(", ");
      throw new Error(`No healthy instance of "${service}" has version ${to} (versions: ${known})`);
    }
    const split = configuration.policy.services[service]?.split ?? {};
    const before = Object.entries(split).filter(([version, share]) => share > 0 && version !== to);
    if (before.length > 0) return Object.fromEntries(before);
    if ((split[to] ?? 0) > 0) throw new Error(`All requests to "${service}" go to ${to} already`);
    const others = [...new Set(fit.map(({ version }) => version))].filter((version) => version !== to);
    if (others.length === 1 && others[0] !== "") return { [others[0]!]: 100 };
    throw new Error(
      `It is not clear which version of "${service}" to shift requests from: give services.${service}.split in the policy`,
    );
  }

  #schedule(): void {
    const { clock, tickMs = TICK_MS, log } = this.#options;
    this.#cancel = clock.after(tickMs, () => {
      this.tick()
        .catch((error: unknown) => log.warn(`deployments: ${String(error)}`))
        .finally(() => {
          if (!this.#closed) this.#schedule();
        });
    });
  }
}

function sameStep(now: Deployments[string] | undefined, then: Deployment): boolean {
  return now?.phase === then.phase && now.step === then.step && now.step_since === then.step_since;
}

function describe(next: Deployment): string {
  const what = `${next.service} ${next.to}`;
  if (next.phase === "rolled_back") return `${what} is rolled back: ${next.reason}`;
  if (next.phase === "done") return `${what} is deployed`;
  return `${what} gets ${next.steps[next.step]} % of requests`;
}
