import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import type { ReaderMessage, TokenRow } from "./token-messages.ts";

// Reads the store of tokens in a thread of its own, so that a slow or broken disk delays no check, and so that it may die.

const { path, pollMs } = workerData as { path: string; pollMs: number };

interface Open {
  readonly database: DatabaseSync;
  /** Of the file, to notice that another one took its place. */
  readonly inode: number;
  version: number;
  revision: number;
}

let open: Open | undefined;

function look(): ReaderMessage {
  const { ino } = statSync(path);
  if (open !== undefined && open.inode !== ino) close();
  const full = open === undefined;
  open ??= {
    database: new DatabaseSync(path, { readOnly: true, timeout: 1000 }),
    inode: ino,
    version: -1,
    revision: -1,
  };
  // Changes with every commit of another connection, and costs next to nothing.
  const version = Number(open.database.prepare("PRAGMA data_version").get()?.["data_version"]);
  if (version === open.version) return { type: "unchanged" };
  const found = open.database.prepare("SELECT * FROM tokens WHERE revision > ?").all(open.revision);
  for (const row of found) open.revision = Math.max(open.revision, Number(row["revision"]));
  open.version = version;
  const rows = found.map((row): TokenRow => ({
    id: String(row["id"]),
    hash: row["hash"] as Uint8Array,
    user: String(row["user"]),
    roles: String(row["roles"]),
    expiresAt: row["expires_at"] === null ? null : Number(row["expires_at"]),
    revoked: row["revoked_at"] !== null,
  }));
  return { type: "rows", full, rows };
}

function close(): void {
  try {
    open?.database.close();
  } catch {
    // It is given up anyway.
  }
  open = undefined;
}

function tick(): void {
  let message: ReaderMessage;
  try {
    message = look();
  } catch (error) {
    close();
    message = { type: "failed", error: (error as Error).message };
  }
  parentPort?.postMessage(message);
}

tick();
setInterval(tick, pollMs);
