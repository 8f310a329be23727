import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../base/describe-error.ts";
import type { EtcdOptions, EtcdTransaction } from "../etcd/etcd-client.ts";
import { EtcdCluster } from "../etcd/etcd-cluster.ts";
import { followEtcd } from "../etcd/etcd-follower.ts";
import { ChangeLog } from "./change-log.ts";
import { EtcdContent, EtcdKeys, recordOf, type StoredInstance, type StoredToken } from "./etcd-content.ts";
import { isRenewal } from "./lease.ts";
import { isLive, type Change, type Instance, type InstanceId } from "./model.ts";
import { Refusal } from "./refusal.ts";
import type { ChangeBatch, RegistryStore, Revision, Update } from "./store.ts";

export interface EtcdStoreOptions {
  readonly urls: readonly string[];
  /** What all keys begin with. */
  readonly prefix: string;
  readonly etcd: EtcdOptions;
  readonly wall: () => number;
  /** How many changes a watcher may be behind before it gets everything again. */
  readonly logCapacity?: number;
  /** Told when etcd cannot be followed, and with "" when it can again. */
  readonly onTrouble: (error: string) => void;
  /** Told of keys whose values are not the registry's; they are left alone. */
  readonly onNonsense: (key: string) => void;
}

/** How often an update is tried that others get in the way of, or whose outcome nobody knows. */
const ATTEMPTS = 8;
const RETRY_MS = 30;
/** How long a written change may take until the watch has told of it. */
const READ_BACK_MS = 5000;
/** How long a watcher of another registry waits here until this one is as far. */
const CATCH_UP_MS = 1000;
/** etcd carries out 128 operations in one transaction. */
const MAX_OPERATIONS = 100;

/**
 * The store in etcd, for registries that are several: all of them read and write it, and each has all of it in memory,
 * as the watch tells. An instance is two keys: its record, and one that goes with a lease of etcd. A heartbeat lets that lease
 * run anew and writes nothing; when etcd ends it, the record stays and is made expired, with the reason. While etcd has
 * no majority, reads answer what was known, writes are refused with 503, and no lease ends.
 */
export class EtcdStore implements RegistryStore {
  readonly #options: EtcdStoreOptions;
  readonly #cluster: EtcdCluster;
  readonly #keys: EtcdKeys;
  readonly #content: EtcdContent;
  readonly #log: ChangeLog;
  readonly #stopping = new AbortController();
  /** How far the watch is, and those who wait for it. */
  #seen: Revision = 0;
  readonly #waiting = new Set<() => void>();

  /** Reads what is there. Throws an Error when etcd cannot be reached. */
  static async open(options: EtcdStoreOptions): Promise<EtcdStore> {
    const store = new EtcdStore(options);
    try {
      await store.#follow();
    } catch (error) {
      await store.close();
      const place = options.urls.join(", ");
      throw new Error(`Cannot read the registry's store from etcd at ${place}: ${describeError(error)}`, {
        cause: error,
      });
    }
    return store;
  }

  private constructor(options: EtcdStoreOptions) {
    this.#options = options;
    this.#cluster = new EtcdCluster(options.urls, options.etcd);
    this.#keys = new EtcdKeys(options.prefix);
    this.#content = new EtcdContent(this.#keys, options.wall, options.onNonsense);
    this.#log = new ChangeLog(0, options.logCapacity ?? 10_000);
  }

  get revision(): Revision {
    return this.#log.revision;
  }

  get watchers(): number {
    return this.#log.waiting;
  }

  get tokens(): ReadonlyMap<string, StoredToken> {
    return this.#content.tokens;
  }

  async get(id: InstanceId): Promise<Instance | undefined> {
    return this.#content.get(id)?.instance;
  }

  async list(service: string): Promise<readonly Instance[] | undefined> {
    return this.#content.list(service);
  }

  async all(): Promise<readonly Instance[]> {
    return this.#content.all();
  }

  async services(): Promise<readonly string[]> {
    return this.#content.services();
  }

  async update(id: InstanceId, update: Update): Promise<Instance | undefined> {
    let current = this.#content.get(id);
    let fresh = false;
    let trouble: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        if (attempt > 0) {
          await sleep(Math.random() * RETRY_MS * attempt, undefined, { signal: this.#stopping.signal });
          current = await this.#read(id);
          fresh = true;
        }
        const next = update(current?.instance);
        if (next === current?.instance) return next;
        const written = await this.#write(id, current, next);
        if (written !== "conflict") return written;
      } catch (error) {
        // What refuses may have looked at what another registry has changed since.
        if (error instanceof Refusal && (fresh || error.status === 503)) throw error;
        if (this.#stopping.signal.aborted) throw new Refusal(503, "the registry is stopping");
        trouble = error;
      }
    }
    const why = trouble === undefined ? "too many write it at once" : describeError(trouble);
    throw new Refusal(503, `the registry cannot write its store: ${why}`);
  }

  async forget(service: string): Promise<boolean> {
    const instances = this.#content.list(service);
    if (instances === undefined) return false;
    if (instances.some(isLive)) {
      throw new Refusal(
        409,
        `service "${service}" cannot be forgotten: it has live instances; deregister them first`,
      );
    }
    for (let i = 0; i < instances.length; i += MAX_OPERATIONS) {
      const part = instances.slice(i, i + MAX_OPERATIONS);
      await this.#commitOrRefuse({
        expect: part.map((each) => ({ key: this.#keys.record(each), revision: each.revision })),
        put: [],
        remove: part.map((each) => this.#keys.record(each)),
      });
    }
    await this.#commitOrRefuse({ expect: [], put: [], remove: [this.#keys.service(service)] });
    return true;
  }

  async next(from: Revision, signal: AbortSignal): Promise<ChangeBatch | undefined> {
    if (from > this.#log.revision) await this.#reach(from, CATCH_UP_MS, signal);
    for (;;) {
      const changes = this.#log.since(from);
      if (changes === undefined) return this.#everything();
      if (changes.length > 0) return { revision: this.#log.revision, reset: false, changes };
      if (signal.aborted) return undefined;
      await this.#log.changed(signal);
    }
  }

  /** Adds a write token, or takes one away. */
  async setToken(id: string, token: StoredToken | undefined): Promise<void> {
    const key = this.#keys.token(id);
    const put = token === undefined ? [] : [{ key, value: JSON.stringify(token) }];
    await this.#commitOrRefuse({ expect: [], put, remove: token === undefined ? [key] : [] });
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#cluster.close();
  }

  async #follow(): Promise<void> {
    await followEtcd(this.#cluster, this.#keys.prefix, this.#stopping.signal, {
      onEverything: (range) => {
        this.#content.replace(range);
        this.#log.reset(range.revision);
        this.#sawUpTo(range.revision);
      },
      onChange: (change) => {
        this.#log.append(this.#content.apply(change));
        this.#sawUpTo(change.revision);
      },
      onTrouble: this.#options.onTrouble,
    });
  }

  /** What etcd has now, whatever the watch has told. */
  async #read(id: InstanceId): Promise<StoredInstance | undefined> {
    const keys = [this.#keys.record(id), this.#keys.lease(id)];
    const { signal } = this.#stopping;
    const found = await this.#cluster.use(signal, (client) => client.read(keys, signal));
    return this.#content.read(id, found.keys);
  }

  async #write(
    id: InstanceId,
    current: StoredInstance | undefined,
    next: Instance | undefined,
  ): Promise<Instance | undefined | "conflict"> {
    const before = current?.instance;
    const renews = before !== undefined && next !== undefined && isRenewal(before, next);
    const lease = current?.lease;
    const keeps =
      lease !== undefined &&
      next !== undefined &&
      isLive(next) &&
      next.leaseSeconds === before?.leaseSeconds &&
      (await this.#keepAlive(lease));
    if (renews && (keeps || !isLive(next))) return next;
    const transaction = await this.#transaction(id, current, next, keeps);
    const { signal } = this.#stopping;
    const { done, revision } = await this.#cluster.use(signal, (client) =>
      client.commit(transaction, signal),
    );
    if (!done) return "conflict";
    await this.#readBack(revision);
    // Another registry that has not heard of the change yet could still renew a lease that is there.
    if (lease !== undefined && !keeps) await this.#revoke(lease);
    return next && { ...next, revision };
  }

  async #transaction(
    id: InstanceId,
    current: StoredInstance | undefined,
    next: Instance | undefined,
    keepsLease: boolean,
  ): Promise<EtcdTransaction> {
    const record = this.#keys.record(id);
    const leaseKey = this.#keys.lease(id);
    const expect = [{ key: record, revision: current?.revision ?? 0 }];
    if (next === undefined) return { expect, put: [], remove: [record, leaseKey] };
    const put: EtcdTransaction["put"][number][] = [{ key: record, value: recordOf(next) }];
    if (!this.#content.isNamed(id.service)) put.push({ key: this.#keys.service(id.service), value: "" });
    if (!isLive(next)) {
      // Somebody may have given it a lease in this moment.
      if (next.state === "expired") expect.push({ key: leaseKey, revision: 0 });
      return { expect, put, remove: next.state === "expired" ? [] : [leaseKey] };
    }
    if (!keepsLease) {
      const { signal } = this.#stopping;
      const lease = await this.#cluster.use(signal, (client) => client.grant(next.leaseSeconds, signal));
      put.push({ key: leaseKey, value: lease, lease });
    }
    return { expect, put, remove: [] };
  }

  async #keepAlive(lease: string): Promise<boolean> {
    const { signal } = this.#stopping;
    return this.#cluster.use(signal, (client) => client.keepAlive(lease, signal));
  }

  /** Nobody needs the lease any more; when that fails, it ends by itself. */
  async #revoke(lease: string): Promise<void> {
    const { signal } = this.#stopping;
    await this.#cluster.use(signal, (client) => client.revoke(lease, signal)).catch(() => {});
  }

  async #commitOrRefuse(transaction: EtcdTransaction): Promise<void> {
    const { signal } = this.#stopping;
    const outcome = await this.#cluster
      .use(signal, (client) => client.commit(transaction, signal))
      .catch((error: unknown) => {
        throw new Refusal(503, `the registry cannot write its store: ${describeError(error)}`);
      });
    if (!outcome.done) throw new Refusal(409, "somebody else changed it in this moment: try again");
    await this.#readBack(outcome.revision);
  }

  async #readBack(revision: Revision): Promise<void> {
    await this.#reach(revision, READ_BACK_MS, this.#stopping.signal);
    if (this.#seen < revision)
      throw new Refusal(503, "the registry wrote the change and cannot read it back: etcd does not answer");
  }

  /** Waits until the watch is as far, or not longer than `ms`. */
  async #reach(revision: Revision, ms: number, signal: AbortSignal): Promise<void> {
    const until = performance.now() + ms;
    while (this.#seen < revision && !signal.aborted) {
      const rest = until - performance.now();
      if (rest <= 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, rest);
      this.#waiting.add(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
  }

  #sawUpTo(revision: Revision): void {
    this.#seen = revision;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #everything(): ChangeBatch {
    const changes = this.#content.all().map((instance): Change => ({
      type: "put",
      revision: instance.revision,
      instance,
    }));
    return {
      revision: this.#log.revision,
      reset: true,
      changes,
      services: this.#content.services(),
    };
  }
}
