import type { DatabaseSync, StatementSync } from "node:sqlite";
import { hashToken, issueToken, tokenId, tokenMatches } from "../base/bearer-token.ts";
import { openDatabase } from "../base/open-database.ts";
import { registryMigrations } from "./schema.ts";
import { TOKEN_PREFIX, type RegistryToken, type TokenAdmin, type WriteTokens } from "./write-tokens.ts";

/** Makes a token in the registry's file; a running registry asks for it from then on. The token is given once only. */
export function createRegistryToken(path: string, name: string): { id: string; token: string } {
  return withTokens(path, (database) => {
    const { id, token } = issueToken(TOKEN_PREFIX);
    database
      .prepare("INSERT INTO tokens (id, name, hash, created_at) VALUES (?, ?, ?, ?)")
      .run(id, name, hashToken(token), Date.now());
    return { id, token };
  });
}

export function listRegistryTokens(path: string): readonly RegistryToken[] {
  return withTokens(path, (database) =>
    database
      .prepare("SELECT id, name, created_at FROM tokens ORDER BY created_at, id")
      .all()
      .map((row) => ({
        id: String(row["id"]),
        name: String(row["name"]),
        createdAt: new Date(Number(row["created_at"])),
      })),
  );
}

/** Takes a token away; gives false when there is none of that id. Without any token left, writes are open again. */
export function revokeRegistryToken(path: string, id: string): boolean {
  return withTokens(
    path,
    (database) => database.prepare("DELETE FROM tokens WHERE id = ?").run(id).changes === 1,
  );
}

/** The tokens in the registry's file, for changes. */
export function openTokenFile(path: string): TokenAdmin {
  return {
    create: async (name) => createRegistryToken(path, name).token,
    list: async () => listRegistryTokens(path),
    revoke: async (id) => revokeRegistryToken(path, id),
    close: async () => {},
  };
}

/** The tokens as a running registry checks them: always those that are in the file now. */
export class TokenTable implements WriteTokens {
  readonly #database: DatabaseSync;
  readonly #dataVersion: StatementSync;
  #hashes = new Map<string, Uint8Array>();
  #version = -1;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#dataVersion = database.prepare("PRAGMA data_version");
  }

  get size(): number {
    this.#refresh();
    return this.#hashes.size;
  }

  accepts(token: string): boolean {
    this.#refresh();
    const id = tokenId(token, TOKEN_PREFIX);
    return tokenMatches(token, id === undefined ? undefined : this.#hashes.get(id));
  }

  #refresh(): void {
    // Changes as soon as another connection has committed, so that a new token counts at once; costs about a microsecond.
    const version = Number(this.#dataVersion.get()?.["data_version"]);
    if (version === this.#version) return;
    const rows = this.#database.prepare("SELECT id, hash FROM tokens").all();
    this.#hashes = new Map(rows.map((row) => [String(row["id"]), row["hash"] as Uint8Array]));
    this.#version = version;
  }
}

function withTokens<T>(path: string, work: (database: DatabaseSync) => T): T {
  const database = openDatabase({ path, purpose: "the registry's store", migrations: registryMigrations });
  try {
    return work(database);
  } finally {
    database.close();
  }
}
