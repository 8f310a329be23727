import type { Endpoint, EndpointHealth, ServiceReading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { follow } from "./shared/follow.ts";
import { bearer, HttpClient } from "../../base/http-client.ts";
import { tlsOptions } from "./shared/tls-options.ts";

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

/** The Weft registry, by long poll: changes arrive as they happen, and a restart of either side resumes. */
export const registrySource = defineSource({
  name: "registry",
  description: "a `weft registry`, by long poll: changes arrive as they happen",
  options: {
    url: { kind: "url", required: true, description: "address of the registry, e.g. http://127.0.0.1:8500" },
    token: { secret: true, description: "bearer token, if reads need one" },
    ...tlsOptions,
  },
  watch(options, context) {
    const mirror = new Mirror();
    let index = 0;
    return follow(`registry ${options.url}`, context, async function* (signal) {
      const client = new HttpClient({ url: options.url, tls: options, headers: () => bearer(options.token) });
      signal.addEventListener("abort", () => client.close());
      while (!signal.aborted) {
        const path = `/v1/watch?index=${index}&wait=${WAIT_SECONDS}s`;
        const batch = (await client.json(path, { signal, timeoutMs: (WAIT_SECONDS + 10) * 1000 })) as Batch;
        if (!Number.isInteger(batch?.index) || !Array.isArray(batch.changes))
          throw new Error(`the answer to ${path} is not one of a registry`);
        if (batch.reset || batch.changes.length > 0) mirror.apply(batch);
        index = batch.index;
        yield { kind: "ok", services: mirror.services(), deleted: mirror.deleted };
      }
    });
  },
});

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
