import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Where a SQLite file is and how its tables come to be. */
export interface DatabaseSpec {
  /** A file, made with its folder when missing, or `:memory:`. */
  readonly path: string;
  /** What the file is for, in error texts: "the registry's store". */
  readonly purpose: string;
  /** SQL of each schema version, in order; run in one transaction each, once. */
  readonly migrations: readonly string[];
}

/**
 * Opens a SQLite file so that a committed transaction survives a killed process and a power cut (write-ahead log, synced at
 * each commit), and brings its schema up to date. The file is readable by its owner only.
 * Throws an Error that names the file when it cannot be opened or was written by a newer version.
 */
export function openDatabase(spec: DatabaseSpec): DatabaseSync {
  const { path, purpose, migrations } = spec;
  let database: DatabaseSync | undefined;
  try {
    const inFile = path !== ":memory:";
    const fresh = inFile && !existsSync(path);
    if (fresh) mkdirSync(dirname(path), { recursive: true });
    database = new DatabaseSync(path, { timeout: 5000 });
    if (fresh) chmodSync(path, 0o600);
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    migrate(database, migrations);
    return database;
  } catch (error) {
    database?.close();
    throw new Error(`Cannot open ${purpose} "${path}": ${(error as Error).message}`, { cause: error });
  }
}

function migrate(database: DatabaseSync, migrations: readonly string[]): void {
  if (schemaVersion(database) === migrations.length) return;
  // Two programs may open a new file at once: the version is read again under the write lock.
  database.exec("BEGIN IMMEDIATE");
  try {
    const from = schemaVersion(database);
    if (from > migrations.length) {
      throw new Error(
        `it has schema version ${from}, this program knows ${migrations.length}: use a newer program`,
      );
    }
    for (const sql of migrations.slice(from)) database.exec(sql);
    database.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`);
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}
