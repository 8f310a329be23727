/** Who an instance is: two ports on one address are two instances. `ip` is canonical (see canonical-ip.ts). */
export interface InstanceId {
  readonly service: string;
  readonly ip: string;
  readonly port: number;
}

/**
 * `up`: takes traffic. `draining`: finishes what it has, gets nothing new. `expired`: its lease ran out unrenewed.
 * `deregistered`: it or an operator took it away. The last two are kept for a while, so that one can see why it is gone.
 */
export type InstanceState = "up" | "draining" | "expired" | "deregistered";

export type Health = "healthy" | "unhealthy" | "degraded";

export type MetadataValue = string | number | boolean;

/** What a client says about an instance when it registers. */
export interface InstanceSpec {
  readonly zone: string;
  readonly region: string;
  /** Share of traffic relative to the other instances. */
  readonly weight: number;
  readonly version: string;
  readonly metadata: Readonly<Record<string, MetadataValue>>;
  readonly health: Health;
  readonly leaseSeconds: number;
}

/** An instance as the store keeps it; never changed in place. Times are milliseconds since the Unix epoch. */
export interface Instance extends InstanceId, InstanceSpec {
  readonly state: InstanceState;
  /** Why it is in this state, for people. */
  readonly reason: string;
  /** Whether somebody drained it; kept apart from `state` so that an instance that comes back from expiry still drains. */
  readonly drained: boolean;
  readonly registeredAt: number;
  /** Last registration or renewal. */
  readonly renewedAt: number;
  readonly expiresAt: number;
  /** Last change of `state`. */
  readonly changedAt: number;
  /** The store's revision of the last durable change. */
  readonly revision: number;
}

/** One durable change. `removed`: the record is gone for good. `forgotten`: a whole service was deleted by request. */
export type Change =
  | { readonly type: "put"; readonly revision: number; readonly instance: Instance }
  | { readonly type: "removed"; readonly revision: number; readonly id: InstanceId }
  | { readonly type: "forgotten"; readonly revision: number; readonly service: string };

/** `ip:port`, or `[ip]:port` for IPv6. */
export function formatAddress(id: Pick<InstanceId, "ip" | "port">): string {
  return id.ip.includes(":") ? `[${id.ip}]:${id.port}` : `${id.ip}:${id.port}`;
}

/** One string per identity, for maps. */
export function instanceKey(id: InstanceId): string {
  return `${id.service} ${formatAddress(id)}`;
}

/** Whether it is listed as an endpoint: up or draining. */
export function isLive(instance: Pick<Instance, "state">): boolean {
  return instance.state === "up" || instance.state === "draining";
}
