import { formatAddress, isLive } from "./model.ts";
import type { Health, Instance, InstanceId, InstanceSpec } from "./model.ts";
import { Refusal } from "./refusal.ts";

// The life of one instance as pure functions: (what it was, what happened, now in wall-clock ms) → what it is. Giving back
// the same object means that nothing changed. Store and clock are elsewhere.

/**
 * Registers or registers again. What a live instance's client leaves out keeps its value, and its drained flag stays: a client
 * that registers as its heartbeat cannot undo what an operator set. One that was gone starts anew, from `defaults`.
 */
export function register(
  current: Instance | undefined,
  id: InstanceId,
  given: Partial<InstanceSpec>,
  defaults: InstanceSpec,
  now: number,
): Instance {
  if (current !== undefined && isLive(current)) {
    const leaseSeconds = given.leaseSeconds ?? current.leaseSeconds;
    return { ...current, ...given, leaseSeconds, renewedAt: now, expiresAt: now + leaseSeconds * 1000 };
  }
  const spec = { ...defaults, ...given };
  const again = current === undefined ? "" : ` again; before it was ${current.state}: ${current.reason}`;
  return {
    service: id.service,
    ip: id.ip,
    port: id.port,
    ...spec,
    state: "up",
    reason: `registered${again}`.slice(0, 300),
    drained: false,
    registeredAt: now,
    renewedAt: now,
    expiresAt: now + spec.leaseSeconds * 1000,
    changedAt: now,
    revision: 0,
  };
}

/** A heartbeat. It brings an expired instance back; one that was deregistered must register. */
export function renew(current: Instance | undefined, id: InstanceId, now: number): Instance {
  const known = present(current, id);
  if (known.state === "deregistered") {
    throw new Refusal(
      409,
      `${describe(id)} cannot be renewed: it is ${known.state} (${known.reason}); register it again`,
    );
  }
  const renewed = { ...known, renewedAt: now, expiresAt: now + known.leaseSeconds * 1000 };
  if (known.state !== "expired") return renewed;
  return {
    ...renewed,
    state: known.drained ? "draining" : "up",
    reason: `renewed after its ${known.reason}`,
    changedAt: now,
  };
}

/** Stops new traffic to it. */
export function drain(current: Instance | undefined, id: InstanceId, why: string, now: number): Instance {
  const known = live(current, id, "drained");
  if (known.state === "draining") return known;
  return { ...known, state: "draining", drained: true, reason: why, changedAt: now };
}

/** Takes a drain back. */
export function undrain(current: Instance | undefined, id: InstanceId, now: number): Instance {
  const known = live(current, id, "taken back");
  if (known.state === "up") return known;
  return { ...known, state: "up", drained: false, reason: "drain taken back", changedAt: now };
}

export function setWeight(current: Instance | undefined, id: InstanceId, weight: number): Instance {
  const known = live(current, id, "given a weight");
  return known.weight === weight ? known : { ...known, weight };
}

export function setHealth(current: Instance | undefined, id: InstanceId, health: Health): Instance {
  const known = live(current, id, "given a health");
  return known.health === health ? known : { ...known, health };
}

export function deregister(
  current: Instance | undefined,
  id: InstanceId,
  why: string,
  now: number,
): Instance {
  const known = present(current, id);
  if (known.state === "deregistered") return known;
  return { ...known, state: "deregistered", drained: false, reason: why, changedAt: now };
}

/** Expires it when its time has come. */
export function expire(current: Instance, now: number): Instance {
  if (!isLive(current) || now < current.expiresAt) return current;
  const at = new Date(current.expiresAt).toISOString();
  const last = new Date(current.renewedAt).toISOString();
  const reason = `lease expired at ${at} after last renewal ${last} (lease ${current.leaseSeconds} s)`;
  return { ...current, state: "expired", reason, changedAt: now };
}

/** Whether its record has been kept long enough after it was gone. */
export function isForgettable(current: Instance, now: number, retentionMs: number): boolean {
  return !isLive(current) && now >= current.changedAt + retentionMs;
}

/** Makes a live lease end no sooner than one full period from now: after a time in which nobody could renew. */
export function grantGrace(current: Instance, now: number): Instance {
  const until = now + current.leaseSeconds * 1000;
  return isLive(current) && current.expiresAt < until ? { ...current, expiresAt: until } : current;
}

/** Whether `after` differs from `before` in its lease's times only: what may be written late, and makes no revision. */
export function isRenewal(before: Instance, after: Instance): boolean {
  return (
    before.state === after.state &&
    before.reason === after.reason &&
    before.drained === after.drained &&
    before.weight === after.weight &&
    before.health === after.health &&
    before.leaseSeconds === after.leaseSeconds &&
    before.zone === after.zone &&
    before.region === after.region &&
    before.version === after.version &&
    before.registeredAt === after.registeredAt &&
    before.changedAt === after.changedAt &&
    sameMetadata(before.metadata, after.metadata)
  );
}

function sameMetadata(a: Instance["metadata"], b: Instance["metadata"]): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function present(current: Instance | undefined, id: InstanceId): Instance {
  if (current === undefined) throw new Refusal(404, `${describe(id)} is not registered`);
  return current;
}

function live(current: Instance | undefined, id: InstanceId, what: string): Instance {
  const known = present(current, id);
  if (isLive(known)) return known;
  throw new Refusal(409, `${describe(id)} cannot be ${what}: it is ${known.state} (${known.reason})`);
}

function describe(id: InstanceId): string {
  return `instance ${formatAddress(id)} of service "${id.service}"`;
}
