/**
 * SQL of the registry's file, one entry per schema version. A fresh store's revision begins at the time of its making in
 * milliseconds, so that it lies above every revision of a store that was lost, and watchers notice.
 */
export const registryMigrations: readonly string[] = [
  `CREATE TABLE store (revision INTEGER NOT NULL);
   INSERT INTO store VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER));
   CREATE TABLE services (name TEXT PRIMARY KEY) WITHOUT ROWID;
   CREATE TABLE instances (
     service TEXT NOT NULL, ip TEXT NOT NULL, port INTEGER NOT NULL,
     renewed_at REAL NOT NULL, expires_at REAL NOT NULL, data TEXT NOT NULL,
     PRIMARY KEY (service, ip, port)
   ) WITHOUT ROWID;
   CREATE TABLE tokens (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL, created_at INTEGER NOT NULL
   ) WITHOUT ROWID;`,
];
