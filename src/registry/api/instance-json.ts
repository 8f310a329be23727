import { formatAddress } from "../model.ts";
import type { Change, Instance, InstanceState } from "../model.ts";

/** An instance as the API shows it; times are UTC in RFC 3339. */
export interface InstanceJson {
  service: string;
  ip: string;
  port: number;
  /** `ip:port` or `[ip]:port`, as in this API's paths. */
  address: string;
  zone: string;
  region: string;
  weight: number;
  version: string;
  metadata: Instance["metadata"];
  health: Instance["health"];
  state: InstanceState;
  reason: string;
  lease_seconds: number;
  registered_at: string;
  renewed_at: string;
  /** Null while a lease of etcd holds it. */
  expires_at: string | null;
  changed_at: string;
  /** Index of its last change. */
  index: number;
}

export type ChangeJson =
  | { type: "put"; index: number; instance: InstanceJson }
  | { type: "removed"; index: number; service: string; ip: string; port: number; address: string }
  | { type: "forgotten"; index: number; service: string };

export function instanceJson(instance: Instance): InstanceJson {
  return {
    service: instance.service,
    ip: instance.ip,
    port: instance.port,
    address: formatAddress(instance),
    zone: instance.zone,
    region: instance.region,
    weight: instance.weight,
    version: instance.version,
    metadata: instance.metadata,
    health: instance.health,
    state: instance.state,
    reason: instance.reason,
    lease_seconds: instance.leaseSeconds,
    registered_at: time(instance.registeredAt),
    renewed_at: time(instance.renewedAt),
    expires_at: Number.isFinite(instance.expiresAt) ? time(instance.expiresAt) : null,
    changed_at: time(instance.changedAt),
    index: instance.revision,
  };
}

export function changeJson(change: Change): ChangeJson {
  if (change.type === "put")
    return { type: "put", index: change.revision, instance: instanceJson(change.instance) };
  if (change.type === "forgotten")
    return { type: "forgotten", index: change.revision, service: change.service };
  const { service, ip, port } = change.id;
  return { type: "removed", index: change.revision, service, ip, port, address: formatAddress(change.id) };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
