import { setTimeout as sleep } from "node:timers/promises";
import type { Endpoint, EndpointHealth, ServiceReading } from "../model.ts";
import type { DiscoverySourceDef, SourceContext } from "../source.ts";

interface InstanceJson {
  service: string;
  address: string;
  ip: string;
  port: number;
  zone: string;
  region: string;
  weight: number;
  version: string;
  metadata: Record<string, string | number | boolean>;
  health: "healthy" | "unhealthy" | "degraded";
  state: "up" | "draining" | "expired" | "deregistered";
}

type ChangeJson =
  | { type: "put"; instance: InstanceJson }
  | { type: "removed"; service: string; address: string }
  | { type: "forgotten"; service: string };

interface Batch {
  index: number;
  reset: boolean;
  services?: string[];
  changes: ChangeJson[];
}

const WAIT_SECONDS = 20;
const RETRY_MS = 500;
const MAX_RETRY_MS = 5000;

/** The Weft registry, by long poll: changes arrive as they happen, and a restart of either side resumes. */
export const registrySource: DiscoverySourceDef = {
  name: "registry",
  options: [
    { name: "url", description: "address of the registry, e.g. http://127.0.0.1:8500", required: true },
    { name: "token", description: "bearer token, if reads need one", required: false },
  ],
  async *watch(options, context) {
    const mirror = new Mirror();
    let index = 0;
    let failures = 0;
    while (!context.signal.aborted) {
      try {
        const batch = await poll(options, index, context);
        if (failures > 0) context.log.info(`registry ${options["url"]} answers again`);
        failures = 0;
        if (batch.reset || batch.changes.length > 0) mirror.apply(batch);
        index = batch.index;
        yield { kind: "ok", services: mirror.services(), deleted: mirror.deleted };
      } catch (error) {
        if (context.signal.aborted) return;
        const text = describe(error);
        if (failures++ === 0)
          context.log.warn(`cannot read registry ${options["url"]}: ${text}; keeping what is known`);
        yield { kind: "error", error: text };
        await sleep(
          Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(failures - 1, 6)),
          undefined,
          context,
        ).catch(() => {});
      }
    }
  },
};

async function poll(
  options: Readonly<Record<string, string>>,
  index: number,
  { signal }: SourceContext,
): Promise<Batch> {
  const url = new URL(`/v1/watch?index=${index}&wait=${WAIT_SECONDS}s`, options["url"]);
  const token = options["token"];
  const response = await fetch(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout((WAIT_SECONDS + 10) * 1000)]),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${(await response.text()).slice(0, 200)}`);
  return (await response.json()) as Batch;
}

/** What the registry holds, kept by its changes. */
class Mirror {
  readonly #instances = new Map<string, Map<string, InstanceJson>>();
  /** Services that somebody deleted and nobody registered since. */
  readonly deleted = new Set<string>();

  apply(batch: Batch): void {
    if (batch.reset) this.#instances.clear();
    for (const service of batch.services ?? []) this.#of(service);
    for (const change of batch.changes) {
      if (change.type === "put")
        this.#of(change.instance.service).set(change.instance.address, change.instance);
      else if (change.type === "removed") this.#of(change.service).delete(change.address);
      else {
        this.#instances.delete(change.service);
        this.deleted.add(change.service);
      }
    }
  }

  services(): ReadonlyMap<string, ServiceReading> {
    const services = new Map<string, ServiceReading>();
    for (const [name, instances] of this.#instances) {
      const all = [...instances.values()];
      const live = all.filter((each) => each.state === "up" || each.state === "draining");
      // Somebody's deregistration is believed. Leases that ran out may say more about the way to the registry than
      // about the service: how many ran out at once decides.
      const gone = all.filter((each) => !live.includes(each));
      const confirmed = all.length > 0 && gone.every((each) => each.state === "deregistered");
      services.set(name, { endpoints: live.map(endpointOf), confirmed });
    }
    return services;
  }

  #of(service: string): Map<string, InstanceJson> {
    let instances = this.#instances.get(service);
    if (instances === undefined) {
      this.#instances.set(service, (instances = new Map()));
      this.deleted.delete(service);
    }
    return instances;
  }
}

function endpointOf(instance: InstanceJson): Endpoint {
  const { ip, port, weight, region, zone, version, metadata } = instance;
  const health: EndpointHealth = instance.state === "draining" ? "draining" : instance.health;
  return { ip, port, weight, region, zone, version, metadata, health };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: string; message?: string } | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}
