import type { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../base/open-database.ts";
import { Batch } from "./batch.ts";
import { ChangeLog } from "./change-log.ts";
import { instanceKey, isLive } from "./model.ts";
import type { Change, Instance, InstanceId } from "./model.ts";
import { Refusal } from "./refusal.ts";
import { registryMigrations } from "./schema.ts";
import { SqliteStatements } from "./sqlite-statements.ts";
import type { ChangeBatch, RegistryStore, Revision, Update } from "./store.ts";

export interface SqliteStoreOptions {
  readonly path: string;
  /** How many changes a watcher may be behind before it gets everything again. */
  readonly logCapacity?: number;
  /** How long a renewal may wait until it is written, in milliseconds. */
  readonly renewalDelayMs?: number;
  /** Told when renewals could not be written; they are tried again. */
  readonly onWriteError?: (error: Error) => void;
}

interface Job {
  run(batch: Batch): void;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * The store in one SQLite file, with all of it in memory for reading. Updates that arrive in one turn of the event loop share
 * one transaction, so that the price of a sync is paid once for all of them.
 */
export class SqliteStore implements RegistryStore {
  readonly #database: DatabaseSync;
  readonly #statements: SqliteStatements;
  readonly #log: ChangeLog;
  readonly #byService = new Map<string, Map<string, Instance>>();
  readonly #renewed = new Map<string, InstanceId>();
  readonly #renewalDelayMs: number;
  readonly #onWriteError: (error: Error) => void;
  #queue: Job[] = [];
  #renewalTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: SqliteStoreOptions) {
    this.#database = openDatabase({
      path: options.path,
      purpose: "the registry's store",
      migrations: registryMigrations,
    });
    this.#statements = new SqliteStatements(this.#database);
    this.#renewalDelayMs = options.renewalDelayMs ?? 2000;
    this.#onWriteError = options.onWriteError ?? (() => {});
    this.#log = new ChangeLog(this.#load(), options.logCapacity ?? 10_000);
  }

  /** The open file, for the tables that are not the store's (tokens). */
  get database(): DatabaseSync {
    return this.#database;
  }

  get revision(): Revision {
    return this.#log.revision;
  }

  get watchers(): number {
    return this.#log.waiting;
  }

  async get(id: InstanceId): Promise<Instance | undefined> {
    return this.#byService.get(id.service)?.get(instanceKey(id));
  }

  async list(service: string): Promise<readonly Instance[] | undefined> {
    const instances = this.#byService.get(service);
    return instances && [...instances.values()];
  }

  async all(): Promise<readonly Instance[]> {
    return this.#all();
  }

  async services(): Promise<readonly string[]> {
    return [...this.#byService.keys()].toSorted();
  }

  async update(id: InstanceId, update: Update): Promise<Instance | undefined> {
    let result: Instance | undefined;
    await this.#enqueue((batch) => {
      const current = batch.read(id);
      result = update(current);
      if (result !== current) result = batch.write(id, current, result);
    });
    return result;
  }

  async forget(service: string): Promise<boolean> {
    let known = false;
    await this.#enqueue((batch) => {
      const instances = batch.readService(service);
      if (instances?.some(isLive)) {
        throw new Refusal(
          409,
          `service "${service}" cannot be forgotten: it has live instances; deregister them first`,
        );
      }
      known = instances !== undefined;
      if (known) batch.forget(service);
    });
    return known;
  }

  async next(from: Revision, signal: AbortSignal): Promise<ChangeBatch | undefined> {
    for (;;) {
      const changes = this.#log.since(from);
      if (changes === undefined) return this.#everything();
      if (changes.length > 0) return { revision: this.#log.revision, reset: false, changes };
      if (signal.aborted) return undefined;
      await this.#log.changed(signal);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#commit();
    this.#flushRenewals();
    this.#closed = true;
    clearTimeout(this.#renewalTimer);
    this.#database.close();
  }

  async #enqueue(run: Job["run"]): Promise<void> {
    if (this.#closed) throw new Refusal(503, "the registry is stopping");
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ run, resolve, reject });
      if (this.#queue.length === 1) setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const jobs = this.#queue;
    this.#queue = [];
    if (jobs.length === 0) return;
    const batch = new Batch(this.#byService, this.#log.revision);
    const done: Job[] = [];
    for (const job of jobs) {
      try {
        job.run(batch);
        done.push(job);
      } catch (error) {
        job.reject(error as Error);
      }
    }
    try {
      if (batch.changes.length > 0) this.#statements.write(batch);
    } catch (error) {
      const refusal = new Refusal(503, `the registry cannot write its store: ${(error as Error).message}`);
      for (const job of done) job.reject(refusal);
      return;
    }
    this.#apply(batch);
    for (const job of done) job.resolve();
  }

  #apply(batch: Batch): void {
    for (const change of batch.changes) {
      if (change.type === "put") this.#put(change.instance);
      else if (change.type === "removed")
        this.#byService.get(change.id.service)?.delete(instanceKey(change.id));
      else this.#byService.delete(change.service);
    }
    for (const renewed of batch.renewals.values()) {
      this.#put(renewed);
      this.#renewed.set(instanceKey(renewed), renewed);
    }
    if (this.#renewed.size > 0) {
      this.#renewalTimer ??= setTimeout(() => this.#flushRenewals(), this.#renewalDelayMs).unref();
    }
    this.#log.append(batch.changes);
  }

  #flushRenewals(): void {
    this.#renewalTimer = undefined;
    const instances: Instance[] = [];
    for (const [key, id] of this.#renewed) {
      const instance = this.#byService.get(id.service)?.get(key);
      if (instance !== undefined) instances.push(instance);
    }
    if (instances.length === 0 || this.#closed) return;
    try {
      this.#statements.writeLeases(instances);
      this.#renewed.clear();
    } catch (error) {
      this.#onWriteError(error as Error);
      this.#renewalTimer = setTimeout(() => this.#flushRenewals(), this.#renewalDelayMs).unref();
    }
  }

  #put(instance: Instance): void {
    let instances = this.#byService.get(instance.service);
    if (instances === undefined) this.#byService.set(instance.service, (instances = new Map()));
    instances.set(instanceKey(instance), instance);
  }

  #all(): Instance[] {
    const all: Instance[] = [];
    for (const instances of this.#byService.values())
      for (const instance of instances.values()) all.push(instance);
    return all;
  }

  #everything(): ChangeBatch {
    const changes = this.#all().map((instance): Change => ({
      type: "put",
      revision: instance.revision,
      instance,
    }));
    return {
      revision: this.#log.revision,
      reset: true,
      changes,
      services: [...this.#byService.keys()].toSorted(),
    };
  }

  #load(): Revision {
    for (const service of this.#statements.readServices()) this.#byService.set(service, new Map());
    for (const instance of this.#statements.readInstances()) this.#put(instance);
    return this.#statements.readRevision();
  }
}
