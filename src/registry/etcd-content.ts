import type { EtcdChange, EtcdEvent, EtcdKey, EtcdRange } from "../etcd/etcd-client.ts";
import { formatAddress, isLive, type Change, type Instance, type InstanceId } from "./model.ts";

/** An instance as etcd has it. */
export interface StoredInstance {
  readonly instance: Instance;
  /** Revision of its record, 0 = there is none. */
  readonly revision: number;
  /** The lease that keeps it alive; undefined when it is over. */
  readonly lease: string | undefined;
}

/** A write token as etcd has it. */
export interface StoredToken {
  readonly name: string;
  /** In base64. */
  readonly hash: string;
  readonly createdAt: number;
}

/** Under the prefix: what is known of each instance, what keeps it alive, services, tokens. */
const RECORDS = "instances/";
const LEASES = "leases/";
const SERVICES = "services/";
const TOKENS = "tokens/";

/** The keys of the registry in etcd. */
export class EtcdKeys {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  record(id: InstanceId): string {
    return `${this.prefix}${RECORDS}${id.service}/${formatAddress(id)}`;
  }

  lease(id: InstanceId): string {
    return `${this.prefix}${LEASES}${id.service}/${formatAddress(id)}`;
  }

  service(service: string): string {
    return `${this.prefix}${SERVICES}${service}`;
  }

  token(id: string): string {
    return `${this.prefix}${TOKENS}${id}`;
  }
}

/**
 * The registry as it stands in etcd, kept by what a watch says. An instance whose lease key is there never ends by the
 * clock: its `expiresAt` is Infinity. When etcd takes the key away, `expiresAt` is that moment, and the next sweep of any
 * registry makes it expired.
 */
export class EtcdContent {
  readonly tokens = new Map<string, StoredToken>();
  readonly #keys: EtcdKeys;
  readonly #wall: () => number;
  readonly #onNonsense: (key: string) => void;
  /** Instances by service and the part of their keys behind it. */
  #byService = new Map<string, Map<string, StoredInstance>>();
  #leases = new Map<string, string>();
  #named = new Set<string>();

  constructor(keys: EtcdKeys, wall: () => number, onNonsense: (key: string) => void) {
    this.#keys = keys;
    this.#wall = wall;
    this.#onNonsense = onNonsense;
  }

  get(id: InstanceId): StoredInstance | undefined {
    return this.#byService.get(id.service)?.get(formatAddress(id));
  }

  list(service: string): Instance[] | undefined {
    const stored = this.#byService.get(service);
    if (stored === undefined) return this.#named.has(service) ? [] : undefined;
    return Array.from(stored.values(), ({ instance }) => instance);
  }

  all(): Instance[] {
    return [...this.#byService.values()].flatMap((stored) =>
      Array.from(stored.values(), ({ instance }) => instance),
    );
  }

  services(): string[] {
    return [...new Set([...this.#named, ...this.#byService.keys()])].sort();
  }

  /** Whether the service has a key of its own. */
  isNamed(service: string): boolean {
    return this.#named.has(service);
  }

  replace({ keys }: EtcdRange): void {
    this.#byService = new Map();
    this.#leases = new Map();
    this.#named = new Set();
    this.tokens.clear();
    for (const key of keys) this.#event({ key: key.key, revision: key.revision, put: key });
  }

  /** Takes what a watch says; returns what that means for watchers of the registry. */
  apply({ events }: EtcdChange): Change[] {
    return events.flatMap((event) => this.#event(event) ?? []);
  }

  /** An instance from its two keys, as they were read on their own. */
  read(id: InstanceId, keys: readonly EtcdKey[]): StoredInstance | undefined {
    const record = keys.find(({ key }) => key === this.#keys.record(id));
    const lease = keys.find(({ key }) => key === this.#keys.lease(id));
    if (record === undefined) return undefined;
    const instance = parse(record);
    return instance && this.#stored(instance, record.revision, lease?.value);
  }

  #event({ key, revision, put }: EtcdEvent): Change | undefined {
    const path = key.slice(this.#keys.prefix.length);
    if (path.startsWith(RECORDS)) return this.#record(path.slice(RECORDS.length), revision, put);
    if (path.startsWith(LEASES)) this.#lease(path.slice(LEASES.length), put);
    else if (path.startsWith(SERVICES)) return this.#service(path.slice(SERVICES.length), revision, put);
    else if (path.startsWith(TOKENS)) this.#token(path.slice(TOKENS.length), put);
    return undefined;
  }

  #record(path: string, revision: number, put: EtcdKey | undefined): Change | undefined {
    const [service, address] = split(path);
    const before = this.#byService.get(service)?.get(address);
    if (put === undefined) {
      if (before === undefined) return undefined;
      this.#byService.get(service)!.delete(address);
      if (this.#byService.get(service)!.size === 0) this.#byService.delete(service);
      const { ip, port } = before.instance;
      return { type: "removed", revision, id: { service, ip, port } };
    }
    const instance = parse(put);
    if (instance === undefined) {
      this.#onNonsense(put.key);
      return undefined;
    }
    const stored = this.#stored(instance, revision, this.#leases.get(path));
    this.#set(service, address, stored);
    return { type: "put", revision, instance: stored.instance };
  }

  #lease(path: string, put: EtcdKey | undefined): void {
    if (put === undefined) this.#leases.delete(path);
    else this.#leases.set(path, put.value);
    const [service, address] = split(path);
    const before = this.#byService.get(service)?.get(address);
    if (before === undefined) return;
    const ended = before.lease !== undefined && put === undefined;
    const instance = ended ? { ...before.instance, expiresAt: this.#wall() } : before.instance;
    this.#set(service, address, this.#stored(instance, before.revision, put?.value));
  }

  #service(service: string, revision: number, put: EtcdKey | undefined): Change | undefined {
    if (put !== undefined) this.#named.add(service);
    else if (this.#named.delete(service) && !this.#byService.has(service))
      return { type: "forgotten", revision, service };
    return undefined;
  }

  #token(id: string, put: EtcdKey | undefined): void {
    if (put === undefined) this.tokens.delete(id);
    else this.tokens.set(id, JSON.parse(put.value) as StoredToken);
  }

  #stored(instance: Instance, revision: number, lease: string | undefined): StoredInstance {
    const held = lease !== undefined && isLive(instance);
    const expiresAt = held ? Number.POSITIVE_INFINITY : instance.expiresAt;
    return { instance: { ...instance, revision, expiresAt }, revision, lease };
  }

  #set(service: string, address: string, stored: StoredInstance): void {
    let all = this.#byService.get(service);
    if (all === undefined) this.#byService.set(service, (all = new Map()));
    all.set(address, stored);
  }
}

/** The value of an instance's record. */
export function recordOf(instance: Instance): string {
  const { revision: _, ...rest } = instance;
  return JSON.stringify(rest);
}

/** Undefined when it makes no sense: then somebody else wrote it. */
function parse({ value }: EtcdKey): Instance | undefined {
  try {
    const instance = JSON.parse(value) as Instance;
    if (typeof instance.ip !== "string" || typeof instance.state !== "string") return undefined;
    // JSON has no Infinity.
    const expiresAt = instance.expiresAt ?? instance.renewedAt + instance.leaseSeconds * 1000;
    return { ...instance, expiresAt };
  } catch {
    return undefined;
  }
}

function split(path: string): [service: string, address: string] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, slash), path.slice(slash + 1)];
}
