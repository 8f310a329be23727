import { tokenId, tokenMatches } from "../base/bearer-token.ts";
import { makeIdentity } from "./identity.ts";
import type { Identity } from "./identity.ts";
import { tokenPrefix } from "./token-file.ts";
import type { TokenRow } from "./token-messages.ts";

interface Entry {
  readonly hash: Uint8Array;
  readonly identity: Identity;
}

/** All tokens that count, in memory: looking one up touches no disk. */
export class TokenIndex {
  #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  /** Takes rows over; with `full` they are all there are. Gives the ids of rows that make no identity and are left out. */
  apply(rows: readonly TokenRow[], full: boolean): string[] {
    const entries = full ? new Map<string, Entry>() : this.#entries;
    const bad: string[] = [];
    for (const row of rows) {
      entries.delete(row.id);
      if (row.revoked) continue;
      try {
        const roles = JSON.parse(row.roles) as string[];
        entries.set(row.id, {
          hash: row.hash,
          identity: makeIdentity(row.user, roles, row.expiresAt ?? Infinity),
        });
      } catch {
        bad.push(row.id);
      }
    }
    this.#entries = entries;
    return bad;
  }

  /** Whose token it is; `expired` or `unknown` when nobody's. `now` in milliseconds since the Unix epoch. */
  find(token: string, now: number): Identity | "expired" | "unknown" {
    const id = tokenId(token, tokenPrefix);
    const entry = id === undefined ? undefined : this.#entries.get(id);
    if (!tokenMatches(token, entry?.hash) || entry === undefined) return "unknown";
    return now < entry.identity.expiresAt ? entry.identity : "expired";
  }
}
