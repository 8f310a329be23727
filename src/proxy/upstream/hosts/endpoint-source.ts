import { isIP } from "node:net";
import type { DnsRecord } from "../../../net/dns.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { Logger } from "../../api.ts";
import { DnsTarget, dnsSchedule, type DnsTargetContext } from "./dns-target.ts";
import {
  addressProblem,
  checkAssignment,
  hostFields,
  overprovisioningOf,
  placedEndpoints,
  type HostFields,
  type PlacedEndpoint,
} from "./load-assignment.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];
type Assignment = Messages["envoy.config.endpoint.v3.ClusterLoadAssignment"];

/** Where the hosts of one cluster come from. */
export interface EndpointSource {
  start(): void;
  close(): void;
  /** EDS clusters only. */
  onAssignment?(assignment: Assignment): void;
}

export interface EndpointSourceContext extends DnsTargetContext {
  readonly log: Logger;
  onEndpoints(hosts: readonly HostFields[], overprovisioning: number): void;
  onInitialised(): void;
}

const TYPES = ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"] as const;

/** Name of a cluster's discovery type; "" for custom ones. */
export function discoveryType(cluster: ClusterMessage): (typeof TYPES)[number] | "" {
  const type = cluster.clusterDiscoveryType;
  if (type.case === "clusterType") return "";
  return TYPES[type.value ?? 0] ?? "";
}

/** The source for a cluster's type. */
export function createEndpointSource(
  cluster: ClusterMessage,
  context: EndpointSourceContext,
): EndpointSource {
  switch (discoveryType(cluster)) {
    case "STRICT_DNS":
      return new StrictDns(cluster, context);
    case "LOGICAL_DNS":
      return new LogicalDns(cluster, context);
    case "EDS":
      return new Eds(cluster.name, context);
    case "STATIC":
      return new Static(cluster, context);
    case "ORIGINAL_DST":
      return new NoEndpoints(context);
    default:
      throw new Error(`cluster '${cluster.name}': its discovery type is not supported`);
  }
}

/** Workers find the hosts of ORIGINAL_DST clusters as connections come. */
class NoEndpoints implements EndpointSource {
  readonly #context: EndpointSourceContext;

  constructor(context: EndpointSourceContext) {
    this.#context = context;
  }

  start(): void {
    this.#context.onEndpoints([], overprovisioningOf(undefined));
    this.#context.onInitialised();
  }

  close(): void {}
}

/** Hosts of the endpoints that have an address; the others are logged and left out. */
function usableHosts(name: string, assignment: Assignment, log: Logger): HostFields[] {
  const problem = (reason: string): void => log.warn(`cluster ${name}: endpoint left out: ${reason}`);
  const hosts: HostFields[] = [];
  for (const placed of placedEndpoints(assignment, problem)) {
    const reason = addressProblem(placed);
    if (reason !== undefined) problem(reason);
    else hosts.push(hostFields(placed, placed.place.path === undefined ? placed.place.host : ""));
  }
  return hosts;
}

class Static implements EndpointSource {
  readonly #cluster: ClusterMessage;
  readonly #context: EndpointSourceContext;

  constructor(cluster: ClusterMessage, context: EndpointSourceContext) {
    this.#cluster = cluster;
    this.#context = context;
  }

  start(): void {
    const { name, loadAssignment } = this.#cluster;
    const hosts = loadAssignment === undefined ? [] : usableHosts(name, loadAssignment, this.#context.log);
    this.#context.onEndpoints(hosts, overprovisioningOf(loadAssignment));
    this.#context.onInitialised();
  }

  close(): void {}
}

class Eds implements EndpointSource {
  readonly #name: string;
  readonly #context: EndpointSourceContext;

  constructor(name: string, context: EndpointSourceContext) {
    this.#name = name;
    this.#context = context;
  }

  start(): void {}
  close(): void {}

  onAssignment(assignment: Assignment): void {
    checkAssignment(assignment);
    const addresses = new Set<string>();
    // As in Envoy, an address counts once, in the first priority that has it.
    const hosts = usableHosts(this.#name, assignment, this.#context.log).filter(
      ({ address }) => addresses.size < addresses.add(address).size,
    );
    this.#context.onEndpoints(hosts, overprovisioningOf(assignment));
    this.#context.onInitialised();
  }
}

/** Every address of every name is a host. */
class StrictDns implements EndpointSource {
  readonly #cluster: ClusterMessage;
  readonly #context: EndpointSourceContext;
  readonly #targets: DnsTarget[] = [];
  readonly #found = new Map<PlacedEndpoint, readonly string[]>();
  readonly #endpoints: readonly PlacedEndpoint[];

  constructor(cluster: ClusterMessage, context: EndpointSourceContext) {
    this.#cluster = cluster;
    this.#context = context;
    const { loadAssignment } = cluster;
    this.#endpoints =
      loadAssignment === undefined
        ? []
        : placedEndpoints(loadAssignment, (reason) =>
            context.log.warn(`cluster ${cluster.name}: endpoint left out: ${reason}`),
          );
  }

  start(): void {
    const schedule = dnsSchedule(this.#cluster);
    for (const endpoint of this.#endpoints) {
      const { place } = endpoint;
      if (place.path !== undefined) continue;
      const { host } = place;
      this.#targets.push(
        new DnsTarget(host, schedule, this.#context, (records, reason) =>
          this.#answered(endpoint, host, records, reason),
        ),
      );
    }
    if (this.#targets.length > 0) return;
    this.#context.onEndpoints([], overprovisioningOf(this.#cluster.loadAssignment));
    this.#context.onInitialised();
  }

  close(): void {
    for (const target of this.#targets) target.close();
  }

  #answered(
    endpoint: PlacedEndpoint,
    host: string,
    records: readonly DnsRecord[] | undefined,
    reason: string,
  ): void {
    if (records !== undefined) {
      this.#found.set(
        endpoint,
        records.map(({ address }) => address),
      );
      this.#publish();
    } else this.#context.log.warn(`DNS resolution for ${host} failed: ${reason}`);
    this.#context.onInitialised();
  }

  #publish(): void {
    const hosts: HostFields[] = [];
    const seen = new Set<string>();
    for (const endpoint of this.#endpoints) {
      for (const ip of this.#found.get(endpoint) ?? []) {
        const fields = hostFields(endpoint, ip);
        const key = `${fields.priority} ${fields.address}`;
        if (seen.size < seen.add(key).size) hosts.push(fields);
      }
    }
    this.#context.onEndpoints(hosts, overprovisioningOf(this.#cluster.loadAssignment));
  }
}

/** One host, whatever number of addresses its name has. */
class LogicalDns implements EndpointSource {
  readonly #cluster: ClusterMessage;
  readonly #context: EndpointSourceContext;
  #target: DnsTarget | undefined;
  #current = "";

  constructor(cluster: ClusterMessage, context: EndpointSourceContext) {
    this.#cluster = cluster;
    this.#context = context;
  }

  start(): void {
    const endpoint = placedEndpoints(this.#cluster.loadAssignment!, () => {})[0];
    if (endpoint === undefined || endpoint.place.path !== undefined) {
      this.#context.onInitialised();
      return;
    }
    const { host } = endpoint.place;
    const schedule = dnsSchedule(this.#cluster);
    this.#target = new DnsTarget(host, schedule, this.#context, (records, reason) => {
      if (records === undefined) this.#context.log.warn(`DNS resolution for ${host} failed: ${reason}`);
      else this.#answered(endpoint, records);
      this.#context.onInitialised();
    });
  }

  close(): void {
    this.#target?.close();
  }

  /** Stays with an address for as long as it is offered: names of many addresses often rotate them. */
  #answered(endpoint: PlacedEndpoint, records: readonly DnsRecord[]): void {
    if (records.length === 0) return;
    if (!records.some(({ address }) => address === this.#current)) this.#current = records[0]!.address;
    if (isIP(this.#current) === 0) return;
    const fields = { ...hostFields(endpoint, this.#current) };
    this.#context.onEndpoints([fields], overprovisioningOf(this.#cluster.loadAssignment));
  }
}
