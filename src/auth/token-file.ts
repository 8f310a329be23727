import type { DatabaseSync } from "node:sqlite";
import { issueToken } from "../base/bearer-token.ts";
import { openDatabase } from "../base/open-database.ts";
import { makeIdentity } from "./identity.ts";

/** First part of an opaque token: `wft_…`. */
export const tokenPrefix = "wft";

const migrations = [
  `CREATE TABLE store (revision INTEGER NOT NULL);
   INSERT INTO store VALUES (0);
   CREATE TABLE tokens (
     id TEXT PRIMARY KEY, hash BLOB NOT NULL, user TEXT NOT NULL, roles TEXT NOT NULL,
     created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER, revision INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE INDEX tokens_by_revision ON tokens (revision);`,
];

/** A token without its secret, which is not stored. */
export interface AuthToken {
  readonly id: string;
  readonly user: string;
  readonly roles: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly revokedAt: Date | undefined;
}

export interface NewToken {
  readonly user: string;
  readonly roles?: readonly string[];
  /** Seconds until it ends; left out: it does not. */
  readonly ttlSeconds?: number | undefined;
}

/** Makes the file of tokens when it is missing. */
export function prepareTokenFile(path: string): void {
  open(path).close();
}

/** Makes a token; running auth services accept it within a second. The token is given once only. Throws for a user or role that fits no header. */
export function createAuthToken(path: string, given: NewToken): { id: string; token: string } {
  const roles = given.roles ?? [];
  makeIdentity(given.user, roles, Infinity);
  const now = Date.now();
  const expiresAt = given.ttlSeconds === undefined ? null : now + given.ttlSeconds * 1000;
  const { id, token, hash } = issueToken(tokenPrefix);
  withTokens(path, (database) => {
    database
      .prepare(
        `INSERT INTO tokens (id, hash, user, roles, created_at, expires_at, revision)
         VALUES (?, ?, ?, ?, ?, ?, (SELECT revision FROM store))`,
      )
      .run(id, hash, given.user, JSON.stringify(roles), now, expiresAt);
  });
  return { id, token };
}

export function listAuthTokens(path: string): readonly AuthToken[] {
  return withTokens(path, (database) =>
    database
      .prepare("SELECT * FROM tokens ORDER BY created_at, id")
      .all()
      .map((row) => ({
        id: String(row["id"]),
        user: String(row["user"]),
        roles: JSON.parse(String(row["roles"])) as string[],
        createdAt: new Date(Number(row["created_at"])),
        expiresAt: dateOf(row["expires_at"]),
        revokedAt: dateOf(row["revoked_at"]),
      })),
  );
}

/** Ends a token, in running auth services within a second; gives false when there is none of that id that still counts. */
export function revokeAuthToken(path: string, id: string): boolean {
  return withTokens(path, (database) => {
    const revoke = database.prepare(
      "UPDATE tokens SET revoked_at = ?, revision = (SELECT revision FROM store) WHERE id = ? AND revoked_at IS NULL",
    );
    return revoke.run(Date.now(), id).changes === 1;
  });
}

/** Every change gets a revision of its own, so that a reader takes only what is new. */
function withTokens<T>(path: string, work: (database: DatabaseSync) => T): T {
  const database = open(path);
  try {
    database.exec("BEGIN IMMEDIATE; UPDATE store SET revision = revision + 1");
    const result = work(database);
    database.exec("COMMIT");
    return result;
  } finally {
    database.close();
  }
}

function open(path: string): DatabaseSync {
  return openDatabase({ path, purpose: "the store of tokens", migrations });
}

function dateOf(value: unknown): Date | undefined {
  return value === null ? undefined : new Date(Number(value));
}
