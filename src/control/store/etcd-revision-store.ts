import type { EtcdOptions, EtcdKey } from "../../etcd/etcd-client.ts";
import { EtcdCluster } from "../../etcd/etcd-cluster.ts";
import { followEtcd } from "../../etcd/etcd-follower.ts";
import {
  RevisionConflict,
  StoreUnavailable,
  type Revision,
  type RevisionDraft,
  type RevisionStore,
  type RevisionSummary,
} from "./revision-store.ts";

export interface EtcdRevisionStoreOptions {
  readonly urls: readonly string[];
  /** What all keys begin with. */
  readonly prefix: string;
  readonly etcd: EtcdOptions;
  /** How many revisions are kept; older ones are forgotten. */
  readonly keep?: number;
  /** Told when etcd cannot be followed, and with "" when it can again. */
  readonly onTrouble?: (error: string) => void;
}

const KEEP = 500;
/** etcd carries out 128 operations in one transaction. */
const MAX_READS = 100;
/** etcd takes requests of 1.5 MiB, and JSON carries values in base64. */
const MAX_BYTES = 1_000_000;

/**
 * Revisions in etcd, for control planes that are several. One key holds the newest number, and one key each revision, so
 * that appending is one transaction on the newest number. Reads see what was appended anywhere; waiting is etcd's watch.
 */
export class EtcdRevisionStore implements RevisionStore {
  readonly #options: EtcdRevisionStoreOptions;
  readonly #cluster: EtcdCluster;
  readonly #stopping = new AbortController();
  readonly #waiting = new Set<() => void>();
  /** The newest number that the watch told of. */
  #seen = 0;
  #trouble = "";

  /** Throws an Error when etcd cannot be reached. */
  static async open(options: EtcdRevisionStoreOptions): Promise<EtcdRevisionStore> {
    const store = new EtcdRevisionStore(options);
    try {
      await store.#follow();
      return store;
    } catch (error) {
      await store.close();
      throw new Error(
        `Cannot read the history from etcd at ${options.urls.join(", ")}: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  private constructor(options: EtcdRevisionStoreOptions) {
    this.#options = options;
    this.#cluster = new EtcdCluster(options.urls, options.etcd);
  }

  get trouble(): string {
    return this.#trouble;
  }

  async head(): Promise<Revision | undefined> {
    const [key] = await this.#read([this.#headKey]);
    return key === undefined ? undefined : this.get(Number(key.value));
  }

  async get(number: number): Promise<Revision | undefined> {
    const [key] = await this.#read([this.#revisionKey(number)]);
    return key === undefined ? undefined : (JSON.parse(key.value) as Revision);
  }

  async list(limit: number, before?: number): Promise<readonly RevisionSummary[]> {
    const [newest] = await this.#read([this.#headKey]);
    let next = Math.min(Number(newest?.value ?? 0), (before ?? Number.POSITIVE_INFINITY) - 1);
    const found: RevisionSummary[] = [];
    while (next > 0 && found.length < limit) {
      const count = Math.min(MAX_READS, limit - found.length, next);
      const numbers = Array.from({ length: count }, (_, i) => next - i);
      const keys = await this.#read(numbers.map((number) => this.#revisionKey(number)));
      for (const { value } of keys) {
        const { documents: _, ...summary } = JSON.parse(value) as Revision;
        found.push(summary);
      }
      if (keys.length < count) break;
      next -= count;
    }
    return found;
  }

  async append(expected: number, draft: RevisionDraft): Promise<Revision> {
    const revision: Revision = { number: expected + 1, ...draft };
    const value = JSON.stringify(revision);
    if (value.length > MAX_BYTES)
      throw new Error(
        `Cannot keep a configuration of ${value.length} bytes in etcd: at most ${MAX_BYTES} are allowed`,
      );
    let lost = false;
    for (let left = this.#options.urls.length; ; left--) {
      const [head] = await this.#read([this.#headKey]);
      const newest = Number(head?.value ?? 0);
      if (newest !== expected) {
        if (lost && (await this.#holds(revision.number, value))) break;
        throw new RevisionConflict(expected, newest);
      }
      const outcome = await this.#commit(head?.revision ?? 0, revision.number, value, left > 1);
      if (outcome === "done") break;
      lost ||= outcome === "lost";
    }
    this.#saw(revision.number);
    return revision;
  }

  async next(after: number, signal: AbortSignal): Promise<Revision | undefined> {
    while (!signal.aborted && !this.#stopping.signal.aborted) {
      if (this.#seen > after) {
        const head = await this.head();
        if (head !== undefined && head.number > after) return head;
        // etcd has lost its data.
        this.#seen = 0;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      const aborted = () => resolve();
      signal.addEventListener("abort", aborted);
      await promise;
      signal.removeEventListener("abort", aborted);
      this.#waiting.delete(resolve);
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#cluster.close();
    this.#wake();
  }

  /** Tries to append. "lost": the member died on the way, so nobody knows; without `again` that is an Error. */
  async #commit(
    head: number,
    number: number,
    value: string,
    again: boolean,
  ): Promise<"done" | "refused" | "lost"> {
    const { signal } = this.#stopping;
    const transaction = {
      expect: [{ key: this.#headKey, revision: head }],
      put: [
        { key: this.#headKey, value: String(number) },
        { key: this.#revisionKey(number), value },
      ],
      remove: [this.#revisionKey(number - (this.#options.keep ?? KEEP))],
    };
    try {
      const { done } = await this.#cluster.use(signal, (client) => client.commit(transaction, signal));
      return done ? "done" : "refused";
    } catch (error) {
      if (!again || signal.aborted) throw this.#unavailable(error);
      return "lost";
    }
  }

  /** Whether a revision is exactly this: an earlier try came through. */
  async #holds(number: number, value: string): Promise<boolean> {
    const [key] = await this.#read([this.#revisionKey(number)]);
    return key?.value === value;
  }

  async #follow(): Promise<void> {
    const take = (keys: readonly (EtcdKey | undefined)[]): void => {
      for (const key of keys) if (key?.key === this.#headKey) this.#saw(Number(key.value));
    };
    await followEtcd(this.#cluster, this.#headKey, this.#stopping.signal, {
      onEverything: ({ keys }) => take(keys),
      onChange: ({ events }) => take(events.map(({ put }) => put)),
      onTrouble: (error) => {
        this.#trouble = error;
        this.#options.onTrouble?.(error);
      },
    });
  }

  #saw(number: number): void {
    if (number <= this.#seen) return;
    this.#seen = number;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Those of the keys that there are, in their order. */
  async #read(keys: readonly string[]): Promise<readonly EtcdKey[]> {
    const { signal } = this.#stopping;
    try {
      return (await this.#cluster.ask(signal, (client) => client.read(keys, signal))).keys;
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  #unavailable(error: unknown): StoreUnavailable {
    return new StoreUnavailable(`etcd at ${this.#options.urls.join(", ")}`, error);
  }

  get #headKey(): string {
    return `${this.#options.prefix}head`;
  }

  #revisionKey(number: number): string {
    return `${this.#options.prefix}revisions/${number}`;
  }
}
