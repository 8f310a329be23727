import { decode } from "../../../proto/registry.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { ClientConnector, Host, RoutingPriority } from "../../api.ts";
import { HOST_FAILED, HOST_FIELDS, HOST_WORDS, type HostSpec } from "../../link.ts";
import type { Pool } from "../pool/pool.ts";
import { OutlierMonitor, type OnOutlier } from "../outlier/outlier-monitor.ts";
import type { OutlierSettings } from "../outlier/outlier-settings.ts";
import type { SharedCounts } from "../shared-counts.ts";

type Metadata = Messages["envoy.config.core.v3.Metadata"];

const NO_BYTES = new Uint8Array(0);

/** An endpoint in this thread: its pools, and its part of the state that all threads share. */
export class UpstreamHost implements Host {
  readonly address: string;
  readonly ip: string;
  readonly port: number;
  readonly slot: number;
  startedAt: number;
  /** Pools of this thread by routing priority; made at first use. */
  readonly pools: [Pool | null, Pool | null] = [null, null];
  /** The cluster has it no longer: a request that chose it before is still served, but nothing is kept open. */
  removed = false;
  /** Pools by priority, protocol and server name, in clusters that take these from requests. */
  specialPools: Map<string, Pool> | undefined;
  /** How connections that are no pool's are secured; made at first use. */
  connector: ClientConnector | undefined;
  #spec: HostSpec;
  #locality: Host["locality"];
  #metadata: Metadata | undefined;
  #knownFailed = false;
  #failedCheck = false;
  #monitor: OutlierMonitor | undefined;
  readonly #states: SharedCounts;
  readonly #base: number;

  constructor(spec: HostSpec, states: SharedCounts, now: number) {
    this.startedAt = now;
    this.address = spec.address;
    this.ip = spec.ip;
    this.port = spec.port;
    this.slot = spec.slot;
    this.#states = states;
    this.#base = spec.slot * HOST_WORDS;
    this.#spec = spec;
    this.#locality = localityOf(spec);
  }

  /** Takes over what an update says of this host. Returns whether its metadata are other ones. */
  update(spec: HostSpec): boolean {
    const old = this.#spec;
    this.#spec = spec;
    this.#metadata = undefined;
    if (old.region !== spec.region || old.zone !== spec.zone || old.subZone !== spec.subZone)
      this.#locality = localityOf(spec);
    return Buffer.compare(old.metadata ?? NO_BYTES, spec.metadata ?? NO_BYTES) !== 0;
  }

  get hostname(): string {
    return this.#spec.hostname;
  }

  get weight(): number {
    return this.#spec.weight;
  }

  get priority(): number {
    return this.#spec.priority;
  }

  get locality(): Host["locality"] {
    return this.#locality;
  }

  get localityWeight(): number {
    return this.#spec.localityWeight;
  }

  get healthy(): boolean {
    return this.#spec.health === "healthy" && this.#failed === 0;
  }

  get degraded(): boolean {
    if (this.failed) return false;
    return this.#spec.health === "degraded" || (this.#spec.health === "healthy" && this.#failed !== 0);
  }

  /** An active health check or outlier detection took it out. */
  get failed(): boolean {
    return (this.#failed & ~HOST_FAILED.degraded) !== 0;
  }

  get #failed(): number {
    return this.#states.get(this.#base + HOST_FIELDS.failed);
  }

  get metadata(): Metadata | undefined {
    const bytes = this.#spec.metadata;
    if (this.#metadata === undefined && bytes !== undefined)
      this.#metadata = decode("envoy.config.core.v3.Metadata", bytes);
    return this.#metadata;
  }

  get activeRequests(): number {
    return this.#states.get(this.#base + HOST_FIELDS.activeRequests);
  }

  /** Begins or ends to watch how requests end. */
  watch(settings: OutlierSettings | undefined, onOutlier: OnOutlier): void {
    this.#monitor =
      settings === undefined
        ? undefined
        : new OutlierMonitor(settings, this.#states, this.#base, this.slot, onOutlier);
  }

  onConnected(): void {
    this.#monitor?.onConnected();
  }

  onStatus(status: number): void {
    this.#states.event(
      this.#base + (status >= 500 ? HOST_FIELDS.requestErrors : HOST_FIELDS.requestSuccesses),
    );
    this.#monitor?.onStatus(status);
  }

  onFailure(kind: "reset" | "timeout", status: number): void {
    this.#states.event(
      this.#base + (kind === "timeout" ? HOST_FIELDS.requestTimeouts : HOST_FIELDS.requestErrors),
    );
    this.#monitor?.onLocalFailure(status);
  }

  onByteStream(outcome: "connected" | "connection-failure" | "connection-timeout"): void {
    this.#monitor?.onByteStream(outcome);
  }

  connectionOpened(): void {
    this.#states.inc(this.#base + HOST_FIELDS.activeConnections);
    this.#states.event(this.#base + HOST_FIELDS.connectionsTotal);
  }

  connectionClosed(): void {
    this.#states.dec(this.#base + HOST_FIELDS.activeConnections);
  }

  connectFailed(): void {
    this.#states.event(this.#base + HOST_FIELDS.connectFails);
  }

  requestStarted(): void {
    this.#states.inc(this.#base + HOST_FIELDS.activeRequests);
    this.#states.event(this.#base + HOST_FIELDS.requestsTotal);
  }

  requestEnded(): void {
    this.#states.dec(this.#base + HOST_FIELDS.activeRequests);
  }

  requestQueued(): void {
    this.#states.inc(this.#base + HOST_FIELDS.pendingRequests);
  }

  requestUnqueued(): void {
    this.#states.dec(this.#base + HOST_FIELDS.pendingRequests);
  }

  /** Its health may be another: drains the pools once for each time that it fails, and notes when checks took it back. */
  onHealth(now: number): void {
    const { failed } = this;
    const failedCheck = (this.#failed & HOST_FAILED.activeCheck) !== 0;
    if (this.#failedCheck && !failedCheck) this.startedAt = now;
    this.#failedCheck = failedCheck;
    if (failed && !this.#knownFailed) this.drainPools();
    this.#knownFailed = failed;
  }

  /** Lets what is in flight finish and closes everything else; later requests get new pools. */
  drainPools(): void {
    for (const priority of [0, 1] as const satisfies RoutingPriority[]) {
      const pool = this.pools[priority];
      this.pools[priority] = null;
      pool?.drain();
    }
    this.connector = undefined;
    for (const pool of this.specialPools?.values() ?? []) pool.drain();
    this.specialPools = undefined;
  }
}

function localityOf(spec: HostSpec): Host["locality"] {
  return { region: spec.region, zone: spec.zone, subZone: spec.subZone };
}
