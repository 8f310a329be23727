import type { DatabaseSync, StatementSync } from "node:sqlite";
import { openDatabase } from "../base/open-database.ts";
import { ChangeLog } from "./change-log.ts";
import { isRenewal } from "./lease.ts";
import { instanceKey, isLive } from "./model.ts";
import type { Change, Instance, InstanceId } from "./model.ts";
import { Refusal } from "./refusal.ts";
import { registryMigrations } from "./schema.ts";
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

type Instances = Map<string, Instance>;

/**
 * The store in one SQLite file, with all of it in memory for reading. Updates that arrive in one turn of the event loop share
 * one transaction, so that the price of a sync is paid once for all of them.
 */
export class SqliteStore implements RegistryStore {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #log: ChangeLog;
  readonly #byService = new Map<string, Instances>();
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
    this.#statements = new Statements(this.#database);
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

  /** How many wait for a change. */
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

/** The outcome of the jobs of one turn, on top of what is stored. */
class Batch {
  readonly changes: Change[] = [];
  readonly renewals: Instances = new Map();
  readonly #stored: Map<string, Instances>;
  readonly #written = new Map<string, Instance | undefined>();
  readonly #forgotten = new Set<string>();
  revision: Revision;

  constructor(stored: Map<string, Instances>, revision: Revision) {
    this.#stored = stored;
    this.revision = revision;
  }

  read(id: InstanceId): Instance | undefined {
    const key = instanceKey(id);
    if (this.#written.has(key)) return this.#written.get(key);
    return this.#forgotten.has(id.service) ? undefined : this.#stored.get(id.service)?.get(key);
  }

  readService(service: string): Instance[] | undefined {
    const stored = this.#forgotten.has(service) ? undefined : this.#stored.get(service);
    const merged: Instances = new Map(stored);
    let known = stored !== undefined;
    for (const [key, instance] of this.#written) {
      if (instance === undefined) merged.delete(key);
      else if (instance.service === service) merged.set(key, instance);
      known ||= instance?.service === service;
    }
    return known ? [...merged.values()] : undefined;
  }

  write(id: InstanceId, current: Instance | undefined, next: Instance | undefined): Instance | undefined {
    const key = instanceKey(id);
    if (current !== undefined && next !== undefined && isRenewal(current, next)) {
      this.renewals.set(key, next);
      this.#written.set(key, next);
      return next;
    }
    const revision = ++this.revision;
    const stored = next && { ...next, revision };
    this.renewals.delete(key);
    this.#written.set(key, stored);
    this.changes.push(
      stored ? { type: "put", revision, instance: stored } : { type: "removed", revision, id },
    );
    return stored;
  }

  forget(service: string): void {
    this.#forgotten.add(service);
    for (const [key, instance] of this.#written) if (instance?.service === service) this.#written.delete(key);
    this.changes.push({ type: "forgotten", revision: ++this.revision, service });
  }
}

class Statements {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #lease: StatementSync;
  readonly #remove: StatementSync;
  readonly #removeService: StatementSync;
  readonly #know: StatementSync;
  readonly #forget: StatementSync;
  readonly #revision: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#put = database.prepare(
      `INSERT INTO instances (service, ip, port, renewed_at, expires_at, data) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET renewed_at = excluded.renewed_at, expires_at = excluded.expires_at, data = excluded.data`,
    );
    this.#lease = database.prepare(
      "UPDATE instances SET renewed_at = ?, expires_at = ? WHERE service = ? AND ip = ? AND port = ?",
    );
    this.#remove = database.prepare("DELETE FROM instances WHERE service = ? AND ip = ? AND port = ?");
    this.#removeService = database.prepare("DELETE FROM instances WHERE service = ?");
    this.#know = database.prepare("INSERT OR IGNORE INTO services (name) VALUES (?)");
    this.#forget = database.prepare("DELETE FROM services WHERE name = ?");
    this.#revision = database.prepare("UPDATE store SET revision = ?");
  }

  write(batch: Batch): void {
    this.#transaction(() => {
      for (const change of batch.changes) {
        if (change.type === "put") {
          this.#know.run(change.instance.service);
          this.#putInstance(change.instance);
        } else if (change.type === "removed") {
          this.#remove.run(change.id.service, change.id.ip, change.id.port);
        } else {
          this.#removeService.run(change.service);
          this.#forget.run(change.service);
        }
      }
      this.#revision.run(batch.revision);
    });
  }

  writeLeases(instances: readonly Instance[]): void {
    this.#transaction(() => {
      for (const { renewedAt, expiresAt, service, ip, port } of instances) {
        this.#lease.run(renewedAt, expiresAt, service, ip, port);
      }
    });
  }

  readServices(): string[] {
    return this.#database
      .prepare("SELECT name FROM services ORDER BY name")
      .all()
      .map((row) => String(row["name"]));
  }

  readInstances(): Instance[] {
    const rows = this.#database.prepare("SELECT * FROM instances ORDER BY service, ip, port").all();
    return rows.map((row) => ({
      ...(JSON.parse(String(row["data"])) as Instance),
      renewedAt: Number(row["renewed_at"]),
      expiresAt: Number(row["expires_at"]),
    }));
  }

  readRevision(): Revision {
    return Number(this.#database.prepare("SELECT revision FROM store").get()?.["revision"]);
  }

  #putInstance(instance: Instance): void {
    const { service, ip, port, renewedAt, expiresAt } = instance;
    this.#put.run(service, ip, port, renewedAt, expiresAt, JSON.stringify(instance));
  }

  #transaction(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}
