import type { DatabaseSync, StatementSync } from "node:sqlite";
import { openDatabase } from "../../base/open-database.ts";
import { hash } from "../xds/resource.ts";
import {
  RevisionConflict,
  type Documents,
  type Revision,
  type RevisionDraft,
  type RevisionStore,
  type RevisionSummary,
} from "./revision-store.ts";

export interface SqliteRevisionStoreOptions {
  /** A file, made when missing, or `:memory:`. */
  readonly path: string;
  /** How many revisions are kept; older ones are forgotten. */
  readonly keep?: number;
  /** How often waiting readers look for what other processes appended, in milliseconds. */
  readonly pollMs?: number;
}

const KEEP = 1000;
const POLL_MS = 500;

const migrations = [
  `CREATE TABLE texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
   CREATE TABLE revisions (
     number INTEGER PRIMARY KEY, time INTEGER NOT NULL, by TEXT NOT NULL, source TEXT NOT NULL, message TEXT NOT NULL
   ) STRICT;
   CREATE TABLE documents (
     number INTEGER NOT NULL REFERENCES revisions ON DELETE CASCADE, name TEXT NOT NULL,
     hash TEXT NOT NULL REFERENCES texts, PRIMARY KEY (number, name)
   ) STRICT;
   CREATE INDEX documents_by_hash ON documents (hash);`,
];

type Row = Record<string, unknown>;

/** Revisions in a SQLite file; equal texts of different revisions are stored once. */
export class SqliteRevisionStore implements RevisionStore {
  readonly trouble = "";
  readonly #database: DatabaseSync;
  readonly #keep: number;
  readonly #pollMs: number;
  readonly #waiting = new Set<() => void>();
  readonly #one: StatementSync;
  readonly #documents: StatementSync;
  readonly #newest: StatementSync;
  #closed = false;

  constructor(options: SqliteRevisionStoreOptions) {
    this.#database = openDatabase({ path: options.path, purpose: "the revision store", migrations });
    this.#keep = options.keep ?? KEEP;
    this.#pollMs = options.pollMs ?? POLL_MS;
    this.#one = this.#database.prepare("SELECT * FROM revisions WHERE number = ?");
    this.#documents = this.#database.prepare(
      "SELECT name, text FROM documents JOIN texts USING (hash) WHERE number = ? ORDER BY name",
    );
    this.#newest = this.#database.prepare("SELECT max(number) AS number FROM revisions");
  }

  async head(): Promise<Revision | undefined> {
    return this.get(this.#head());
  }

  async get(number: number): Promise<Revision | undefined> {
    const row = this.#one.get(number);
    if (row === undefined) return undefined;
    const documents = this.#documents.all(number).map((each) => [String(each["name"]), String(each["text"])]);
    return { ...summary(row), documents: Object.fromEntries(documents) as Documents };
  }

  async list(limit: number, before = Number.MAX_SAFE_INTEGER): Promise<readonly RevisionSummary[]> {
    return this.#database
      .prepare("SELECT * FROM revisions WHERE number < ? ORDER BY number DESC LIMIT ?")
      .all(before, limit)
      .map(summary);
  }

  async append(expected: number, draft: RevisionDraft): Promise<Revision> {
    const number = expected + 1;
    // Read under the write lock, since other processes may have the same file open.
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const head = this.#head();
      if (head !== expected) throw new RevisionConflict(expected, head);
      this.#write(number, draft);
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
    for (const wake of this.#waiting) wake();
    return { number, ...draft };
  }

  async next(after: number, signal: AbortSignal): Promise<Revision | undefined> {
    while (!signal.aborted && !this.#closed) {
      if (this.#head() > after) return this.head();
      await this.#changed(signal);
    }
    return undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const wake of this.#waiting) wake();
    this.#database.close();
  }

  #head(): number {
    return Number(this.#newest.get()?.["number"] ?? 0);
  }

  #write(number: number, { time, by, source, message, documents }: RevisionDraft): void {
    this.#database
      .prepare("INSERT INTO revisions VALUES (?, ?, ?, ?, ?)")
      .run(number, time, by, source, message);
    const putText = this.#database.prepare("INSERT OR IGNORE INTO texts VALUES (?, ?)");
    const putDocument = this.#database.prepare("INSERT INTO documents VALUES (?, ?, ?)");
    for (const [name, text] of Object.entries(documents)) {
      const key = hash(text);
      putText.run(key, text);
      putDocument.run(number, name, key);
    }
    const { changes } = this.#database
      .prepare("DELETE FROM revisions WHERE number <= ?")
      .run(number - this.#keep);
    if (Number(changes) > 0)
      this.#database.exec("DELETE FROM texts WHERE hash NOT IN (SELECT hash FROM documents)");
  }

  /** Resolves when this process appended, when it is time to look for what others did, or at the end. */
  async #changed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#pollMs);
    const aborted = () => resolve();
    this.#waiting.add(resolve);
    signal.addEventListener("abort", aborted);
    await promise;
    signal.removeEventListener("abort", aborted);
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }
}

function summary(row: Row): RevisionSummary {
  return {
    number: Number(row["number"]),
    time: Number(row["time"]),
    by: String(row["by"]),
    source: String(row["source"]),
    message: String(row["message"]),
  };
}
