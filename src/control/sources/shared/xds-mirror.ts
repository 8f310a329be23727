import type { MessageOf } from "../../../proto/registry.ts";
import type { AdsClient } from "../../../xds/ads-client.ts";
import type { Resource, Watch } from "../../../xds/source.ts";
import { SERVICE_NAME, type Endpoint, type EndpointHealth, type Reading } from "../../model.ts";
import { endpointWith, ServiceMap } from "./service-map.ts";

type Cluster = MessageOf<"envoy.config.cluster.v3.Cluster">;
type Assignment = MessageOf<"envoy.config.endpoint.v3.ClusterLoadAssignment">;

/** Envoy's HealthStatus. */
const HEALTH: Readonly<Record<number, EndpointHealth>> = {
  2: "unhealthy",
  3: "draining",
  4: "unhealthy",
  5: "degraded",
};

interface Entry {
  readonly service: string;
  /** Name to ask for by EDS; "" = the cluster has its endpoints itself. */
  readonly assignment: string;
  endpoints: readonly Endpoint[] | undefined;
  watch: Watch | undefined;
}

/** The clusters of an xDS server and their endpoints, kept as its stream says. */
export class XdsMirror {
  readonly #pattern: RegExp | undefined;
  readonly #warn: (message: string) => void;
  #entries = new Map<string, Entry>();
  #listed = false;

  constructor(pattern: string, warn: (message: string) => void) {
    this.#pattern = pattern === "" ? undefined : new RegExp(pattern);
    this.#warn = warn;
  }

  /** Whether everything was told at least once. */
  get complete(): boolean {
    return this.#listed && [...this.#entries.values()].every(({ endpoints }) => endpoints !== undefined);
  }

  /** What was not told yet. */
  get missing(): string {
    if (!this.#listed) return "clusters";
    return [...this.#entries].find(([, { endpoints }]) => endpoints === undefined)?.[0] ?? "";
  }

  /** Begins to listen to a new stream; what earlier ones said stays until it says more. */
  begin(client: AdsClient, onChange: () => void): void {
    for (const entry of this.#entries.values()) entry.watch = undefined;
    this.#listed = false;
    client.watch("cds", undefined, {
      onAttempt() {},
      onFailure: (_kind, detail) => this.#warn(`clusters are left as they were: ${detail}`),
      onResources: (resources) => {
        this.#takeClusters(resources, client, onChange);
        onChange();
      },
    });
  }

  /** An empty cluster is meant. One that the server no longer names may be missing for any reason. */
  reading(): Reading {
    const services = new ServiceMap();
    for (const { service, endpoints = [] } of this.#entries.values()) {
      services.know(service, true);
      for (const endpoint of endpoints) services.add(service, endpoint);
    }
    return { kind: "ok", services: services.readings() };
  }

  #takeClusters(resources: readonly Resource[], client: AdsClient, onChange: () => void): void {
    const before = this.#entries;
    this.#entries = new Map();
    for (const { name, message } of resources) {
      const service = this.#serviceOf(name);
      if (service === undefined) continue;
      const cluster = message as Cluster;
      const assignment =
        cluster.edsClusterConfig === undefined ? "" : cluster.edsClusterConfig.serviceName || name;
      const known = before.get(name);
      const same = known?.assignment === assignment;
      const entry: Entry = {
        service,
        assignment,
        endpoints:
          assignment === "" ? endpointsOf(cluster.loadAssignment) : same ? known.endpoints : undefined,
        watch: same ? known.watch : undefined,
      };
      this.#entries.set(name, entry);
      if (same) before.delete(name);
      if (assignment !== "" && entry.watch === undefined)
        entry.watch = this.#watch(entry, name, client, onChange);
    }
    for (const { watch } of before.values()) watch?.close();
    this.#listed = true;
  }

  #watch({ assignment }: Entry, name: string, client: AdsClient, onChange: () => void): Watch {
    return client.watch("eds", assignment, {
      onAttempt() {},
      onFailure: (_kind, detail) => this.#warn(`endpoints of ${name} are left as they were: ${detail}`),
      onResources: ([resource]) => {
        const entry = this.#entries.get(name);
        if (entry === undefined || resource === undefined) return;
        entry.endpoints = endpointsOf(resource.message as Assignment);
        onChange();
      },
    });
  }

  #serviceOf(name: string): string | undefined {
    const match = this.#pattern?.exec(name);
    if (match === null) return undefined;
    const service = match === undefined ? name : (match.groups?.["service"] ?? match[1] ?? match[0]);
    if (SERVICE_NAME.test(service)) return service;
    this.#warn(`leaving out cluster "${name}": "${service}" is not a service name; set pattern`);
    return undefined;
  }
}

function endpointsOf(assignment: Assignment | undefined): Endpoint[] {
  return (assignment?.endpoints ?? []).flatMap(({ locality, lbEndpoints }) =>
    lbEndpoints.flatMap(({ hostIdentifier, healthStatus, loadBalancingWeight, metadata }) => {
      const address = hostIdentifier.case === "endpoint" ? hostIdentifier.value.address?.address : undefined;
      if (address?.case !== "socketAddress" || address.value.portSpecifier.case !== "portValue") return [];
      const labels = (metadata?.filterMetadata["envoy.lb"] ?? {}) as Record<string, unknown>;
      const known = Object.entries(labels).filter(
        (entry): entry is [string, string | number | boolean] => typeof entry[1] !== "object",
      );
      return endpointWith({
        ip: address.value.address,
        port: address.value.portSpecifier.value,
        weight: loadBalancingWeight ?? 1,
        region: locality?.region ?? "",
        zone: locality?.zone ?? "",
        version: typeof labels["version"] === "string" ? labels["version"] : "",
        health: HEALTH[healthStatus] ?? "healthy",
        metadata: Object.fromEntries(known),
      });
    }),
  );
}
