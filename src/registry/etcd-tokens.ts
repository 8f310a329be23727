import { hashToken, issueToken, tokenId, tokenMatches } from "../base/bearer-token.ts";
import { EtcdStore } from "./etcd-store.ts";
import type { RegistryOptions } from "./options.ts";
import { TOKEN_PREFIX, type TokenAdmin, type WriteTokens } from "./write-tokens.ts";

/** The tokens in etcd as a running registry checks them: those that its watch has told of. */
export class EtcdTokens implements WriteTokens {
  readonly #store: EtcdStore;

  constructor(store: EtcdStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#store.tokens.size;
  }

  accepts(token: string): boolean {
    const id = tokenId(token, TOKEN_PREFIX);
    const stored = id === undefined ? undefined : this.#store.tokens.get(id);
    return tokenMatches(token, stored && Buffer.from(stored.hash, "base64"));
  }
}

/** Opens the tokens in etcd for changes. Throws an Error when etcd cannot be reached. */
export async function openEtcdTokens(etcd: NonNullable<RegistryOptions["etcd"]>): Promise<TokenAdmin> {
  const silent = (): void => {};
  const store = await EtcdStore.open({ ...etcd, wall: Date.now, onTrouble: silent, onNonsense: silent });
  return {
    async create(name) {
      const { id, token } = issueToken(TOKEN_PREFIX);
      await store.setToken(id, {
        name,
        hash: hashToken(token).toString("base64"),
        createdAt: Date.now(),
      });
      return token;
    },
    async list() {
      const all = Array.from(store.tokens, ([id, { name, createdAt }]) => ({
        id,
        name,
        createdAt: new Date(createdAt),
      }));
      return all.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
    },
    async revoke(id) {
      if (!store.tokens.has(id)) return false;
      await store.setToken(id, undefined);
      return true;
    },
    close: () => store.close(),
  };
}
