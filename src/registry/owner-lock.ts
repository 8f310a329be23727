import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Makes this process the only registry on a store: two would not see each other's writes. The lock is SQLite's on a file
 * beside the store, so the kernel takes it back when the process dies in whatever way. Throws when another one holds it.
 */
export function lockStore(path: string): () => void {
  if (path === ":memory:") return () => {};
  mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(`${path}.lock`);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    const why =
      (error as { errstr?: string }).errstr === "database is locked"
        ? "another registry runs on it"
        : String(error);
    throw new Error(`Cannot open the registry's store "${path}": ${why}`, { cause: error });
  }
  return () => database.close();
}
