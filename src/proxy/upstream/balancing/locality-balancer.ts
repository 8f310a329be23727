import { EdfScheduler } from "../../../extensions/lb/edf-scheduler.ts";
import type { Host, LoadBalancer, PickContext } from "../../api.ts";
import type { UpstreamHost } from "../hosts/host.ts";
import type { HostSetOptions } from "../hosts/host-set.ts";
import { groupByLocality } from "./localities.ts";

interface Locality {
  readonly balancer: LoadBalancer;
  readonly weight: number;
}

/**
 * Chooses a locality by its weight and the share of its hosts that are fit, then a host within it. A locality without
 * a weight gets nothing.
 */
export class LocalityBalancer implements LoadBalancer {
  readonly #localities: readonly Locality[];
  readonly #schedule: EdfScheduler;

  /** Returns undefined when no locality has both a weight and a fit host: localities are disregarded then. */
  static create(
    hosts: readonly UpstreamHost[],
    eligible: readonly UpstreamHost[],
    options: HostSetOptions,
  ): LocalityBalancer | undefined {
    const totals = groupByLocality(hosts);
    const localities: Locality[] = [];
    for (const [key, members] of groupByLocality(eligible)) {
      const available = members.length / totals.get(key)!.length;
      const weight = members[0]!.localityWeight * Math.min(1, (options.overprovisioning / 100) * available);
      if (weight > 0) localities.push({ balancer: options.balancer(members), weight });
    }
    return localities.length === 0 ? undefined : new LocalityBalancer(localities, options.random());
  }

  private constructor(localities: readonly Locality[], phase: number) {
    this.#localities = localities;
    this.#schedule = new EdfScheduler(
      localities.map((locality) => locality.weight),
      phase,
    );
  }

  pick(context: PickContext): Host | undefined {
    const locality = this.#localities[this.#schedule.peek()];
    if (locality === undefined) return undefined;
    this.#schedule.advance(locality.weight);
    return locality.balancer.pick(context);
  }
}
