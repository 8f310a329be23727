import { isIP } from "node:net";
import { Timer, type TimerOwner, type TimerWheel } from "../../../base/timer-wheel.ts";
import { durationMs } from "../../../proto/duration.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { Counter, StatScope } from "../../../stats/stat-store.ts";
import type { ConnectionInfo, PickContext } from "../../api.ts";
import { HOST_WORDS } from "../../link.ts";
import { UpstreamHost } from "./host.ts";
import { SharedCounts } from "../shared-counts.ts";

type ClusterMessage = Messages["envoy.config.cluster.v3.Cluster"];

/** Default of cleanup_interval, milliseconds. */
const CLEANUP_INTERVAL = 5000;
const DEFAULT_HEADER = "x-envoy-original-dst-host";

/**
 * The hosts of an ORIGINAL_DST cluster in this thread: each connection goes where its client wanted to go. They come to
 * be when they are asked for, and go when nobody asked for them between two sweeps.
 */
export class OriginalDstHosts implements TimerOwner {
  readonly #hosts = new Map<string, { readonly host: UpstreamHost; used: boolean }>();
  readonly #wheel: TimerWheel;
  readonly #timer: Timer = new Timer(this);
  readonly #interval: number;
  /** Lower case; "" = none is read. */
  readonly #header: string;
  readonly #port: number | undefined;
  readonly #invalid: Counter;

  constructor(cluster: ClusterMessage, wheel: TimerWheel, scope: StatScope) {
    const config = cluster.lbConfig.case === "originalDstLbConfig" ? cluster.lbConfig.value : undefined;
    const header = config?.httpHeaderName || DEFAULT_HEADER;
    this.#wheel = wheel;
    this.#interval = durationMs(cluster.cleanupInterval, CLEANUP_INTERVAL);
    this.#header = config?.useHttpHeader === true ? header.toLowerCase() : "";
    this.#port = config?.upstreamPortOverride;
    this.#invalid = scope.counter("original_dst_host_invalid");
  }

  /** The host that a request's header names or that its client wanted; undefined when neither is known. */
  pick(context: PickContext, downstream: ConnectionInfo | undefined): UpstreamHost | undefined {
    const named = this.#named(context);
    const wanted =
      named ??
      (downstream?.localRestored === true
        ? { ip: downstream.localIp, port: downstream.localPort }
        : undefined);
    return wanted === undefined ? undefined : this.#host(wanted.ip, this.#port ?? wanted.port);
  }

  onTimer(): void {
    for (const [address, entry] of this.#hosts) {
      if (entry.used) entry.used = false;
      else {
        this.#hosts.delete(address);
        retire(entry.host);
      }
    }
    if (this.#hosts.size > 0) this.#wheel.arm(this.#timer, this.#interval);
  }

  /** What is in flight finishes. */
  close(): void {
    this.#wheel.disarm(this.#timer);
    for (const { host } of this.#hosts.values()) retire(host);
    this.#hosts.clear();
  }

  #named({ headers }: PickContext): { ip: string; port: number } | undefined {
    const text = this.#header === "" ? undefined : headers?.get(this.#header);
    if (text === undefined) return undefined;
    const [, ip = "", port = ""] = /^\[?([^\]]*)\]?:(\d{1,5})$/.exec(text) ?? [];
    if (isIP(ip) !== 0 && Number(port) <= 65_535) return { ip, port: Number(port) };
    this.#invalid.inc();
    return undefined;
  }

  #host(ip: string, port: number): UpstreamHost {
    const address = ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
    let entry = this.#hosts.get(address);
    if (entry === undefined) {
      entry = { host: createHost(ip, port, address), used: true };
      this.#hosts.set(address, entry);
      if (!this.#timer.armed) this.#wheel.arm(this.#timer, this.#interval);
    }
    entry.used = true;
    return entry.host;
  }
}

/** A host with counts of its own: no other thread knows of it. */
function createHost(ip: string, port: number, address: string): UpstreamHost {
  const states = new SharedCounts(new SharedArrayBuffer(HOST_WORDS * 4), undefined);
  const spec = {
    slot: 0,
    address,
    ip,
    port,
    hostname: "",
    weight: 1,
    priority: 0,
    region: "",
    zone: "",
    subZone: "",
    localityWeight: 1,
    health: "healthy",
    metadata: undefined,
  } as const;
  // Nobody weighs them.
  return new UpstreamHost(spec, states, 0);
}

function retire(host: UpstreamHost): void {
  host.removed = true;
  host.drainPools();
}
