import type { Clock } from "../../../base/clock.ts";
import { Dns } from "../../../net/dns.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { StatStore } from "../../../stats/stat-store.ts";
import type { Logger } from "../../api.ts";
import type { HostSpec } from "../../link.ts";
import { clusterStatPrefix } from "../cluster-stats.ts";
import { dnsOptions } from "./dns-config.ts";
import { createEndpointSource, discoveryType, type EndpointSource } from "./endpoint-source.ts";
import { HostSlots } from "./host-slots.ts";
import type { HostFields } from "./load-assignment.ts";
import { MembershipStats } from "./membership-stats.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];
type Assignment = Messages["envoy.config.endpoint.v3.ClusterLoadAssignment"];

/** What the resolver tells. */
export interface HostResolverEvents {
  /** The hosts of a cluster, whenever they changed. */
  onHosts(cluster: string, hosts: readonly HostSpec[], overprovisioning: number): void;
  /** The first resolution ended, with or without hosts. EDS clusters wait for their first assignment. */
  onInitialised(cluster: string): void;
  /** Whether a host that is no longer listed stays, because health checks find it fit. */
  keeps?(cluster: string, slot: number): boolean;
}

export interface HostResolverOptions {
  readonly hostStates: SharedArrayBuffer;
  readonly clock: Clock;
  readonly stats: StatStore;
  /** Default: the system's name servers. */
  readonly dns?: Dns;
  logger(component: string): Logger;
  /** Uniform in [0, 1). */
  random(): number;
}

interface Resolved {
  source: EndpointSource;
  type: string;
  hosts: readonly HostSpec[];
  overprovisioning: number;
  /** Slots of hosts that are no longer listed. */
  unlisted: ReadonlySet<number>;
  stats: MembershipStats;
  initialised: boolean;
}

/** Main thread: turns clusters' endpoints into hosts, by address, by name or from EDS, and follows their changes. */
export class HostResolver {
  readonly #options: HostResolverOptions;
  readonly #events: HostResolverEvents;
  readonly #log: Logger;
  readonly #dns: Dns;
  readonly #slots: HostSlots;
  readonly #states: Int32Array;
  readonly #clusters = new Map<string, Resolved>();

  constructor(options: HostResolverOptions, events: HostResolverEvents) {
    this.#options = options;
    this.#events = events;
    this.#log = options.logger("upstream");
    this.#dns = options.dns ?? new Dns();
    this.#states = new Int32Array(options.hostStates);
    this.#slots = new HostSlots(options.hostStates, options.clock);
  }

  /**
   * Begins, or begins anew, to find the hosts of a cluster. The events may come before this returns. Hosts that were
   * known stay until an answer says otherwise.
   */
  setCluster(cluster: ClusterMessage): void {
    const { name } = cluster;
    const type = discoveryType(cluster);
    const scope = this.#options.stats.scope(clusterStatPrefix(cluster.altStatName || name));
    const old = this.#clusters.get(name);
    old?.source.close();
    const state: Resolved = {
      source: NO_SOURCE,
      type,
      hosts: old?.hosts ?? [],
      overprovisioning: old?.overprovisioning ?? 140,
      unlisted: old?.unlisted ?? new Set(),
      stats: old?.stats ?? new MembershipStats(scope, type === "EDS" || type === "STRICT_DNS", this.#states),
      initialised: false,
    };
    this.#clusters.set(name, state);
    const { clock, random } = this.#options;
    state.source = createEndpointSource(cluster, {
      clock,
      dns:
        cluster.typedDnsResolverConfig === undefined
          ? this.#dns
          : new Dns(dnsOptions(cluster.typedDnsResolverConfig)),
      scope,
      random,
      log: this.#log,
      onEndpoints: (hosts, overprovisioning) => this.#setHosts(name, state, hosts, overprovisioning),
      onInitialised: () => this.#initialised(name, state),
    });
    state.source.start();
  }

  removeCluster(name: string): void {
    const state = this.#clusters.get(name);
    if (state === undefined) return;
    state.source.close();
    this.#clusters.delete(name);
    for (const host of state.hosts) this.#slots.release(identity(name, host));
  }

  /** New endpoints of an EDS cluster. Throws an Error if they cannot be used. */
  onEds(cluster: string, assignment: Assignment): void {
    this.#clusters.get(cluster)?.source.onAssignment?.(assignment);
  }

  /** Hosts of a cluster; undefined if there is no such cluster. */
  hosts(cluster: string): readonly HostSpec[] | undefined {
    return this.#clusters.get(cluster)?.hosts;
  }

  /** `failed` of some hosts of a cluster changed. */
  onHealth(cluster: string): void {
    const state = this.#clusters.get(cluster);
    if (state === undefined) return;
    const gone = [...state.unlisted].filter((slot) => this.#events.keeps?.(cluster, slot) !== true);
    if (gone.length > 0) this.#drop(cluster, state, new Set(gone));
    else state.stats.refreshHealth(state.hosts);
  }

  close(): void {
    for (const { source } of this.#clusters.values()) source.close();
    this.#slots.close();
  }

  #setHosts(name: string, state: Resolved, fields: readonly HostFields[], overprovisioning: number): void {
    if (this.#clusters.get(name) !== state) return;
    const before = new Map(state.hosts.map((host) => [identity(name, host), host]));
    const hosts: HostSpec[] = [];
    const after = new Set<string>();
    let changed = overprovisioning !== state.overprovisioning;
    for (const host of fields) {
      const id = identity(name, host);
      if (after.has(id)) {
        this.#log.warn(`cluster ${name}: endpoint ${host.address} is listed twice, the first one counts`);
        continue;
      }
      after.add(id);
      const known = before.get(id);
      const same = known !== undefined && sameHost(known, host);
      changed ||= !same;
      hosts.push(same ? known : { ...host, slot: this.#slots.acquire(id) });
    }
    let removed = false;
    const unlisted = new Set<number>();
    const mayStay = state.type === "EDS" || state.type === "STRICT_DNS";
    for (const [id, host] of before) {
      if (after.has(id)) continue;
      if (mayStay && this.#events.keeps?.(name, host.slot) === true) {
        unlisted.add(host.slot);
        hosts.push(host);
        continue;
      }
      removed = true;
      this.#slots.release(id);
    }
    state.unlisted = unlisted;
    if (!changed && !removed) {
      if (state.type !== "STATIC") state.stats.unchanged();
      return;
    }
    const membershipChanged = removed || hosts.length !== before.size;
    state.hosts = hosts;
    state.overprovisioning = overprovisioning;
    state.stats.update(hosts, membershipChanged);
    this.#events.onHosts(name, hosts, overprovisioning);
  }

  /** Hosts that nobody lists failed their checks, too. */
  #drop(name: string, state: Resolved, slots: ReadonlySet<number>): void {
    for (const host of state.hosts) if (slots.has(host.slot)) this.#slots.release(identity(name, host));
    state.hosts = state.hosts.filter(({ slot }) => !slots.has(slot));
    state.unlisted = new Set([...state.unlisted].filter((slot) => !slots.has(slot)));
    state.stats.update(state.hosts, true);
    this.#events.onHosts(name, state.hosts, state.overprovisioning);
  }

  #initialised(name: string, state: Resolved): void {
    if (state.initialised || this.#clusters.get(name) !== state) return;
    state.initialised = true;
    this.#events.onInitialised(name);
  }
}

const NO_SOURCE: EndpointSource = { start() {}, close() {} };

/** Cluster, priority and address are what a host is known by. */
function identity(cluster: string, host: HostFields): string {
  return `${cluster} ${host.priority} ${host.address}`;
}

function sameHost(a: HostFields, b: HostFields): boolean {
  return (
    a.hostname === b.hostname &&
    a.weight === b.weight &&
    a.health === b.health &&
    a.region === b.region &&
    a.zone === b.zone &&
    a.subZone === b.subZone &&
    a.localityWeight === b.localityWeight &&
    sameBytes(a.metadata, b.metadata) &&
    JSON.stringify(a.healthCheck) === JSON.stringify(b.healthCheck)
  );
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}
