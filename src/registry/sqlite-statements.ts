import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Batch } from "./batch.ts";
import type { Instance } from "./model.ts";
import type { Revision } from "./store.ts";

/** The SQL of the store, each call one transaction. */
export class SqliteStatements {
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
