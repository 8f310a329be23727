import { EtcdClient, type EtcdOptions } from "./etcd-client.ts";

/** The members of an etcd cluster: one is used until it fails, then the next. */
export class EtcdCluster {
  readonly #urls: readonly string[];
  readonly #options: EtcdOptions;
  readonly #clients = new Map<string, Promise<EtcdClient>>();
  #turn = 0;

  constructor(urls: readonly string[], options: EtcdOptions) {
    this.#urls = urls;
    this.#options = options;
  }

  /** Does something with the member in use. When that fails, the next one has its turn, and the error is passed on. */
  async use<T>(signal: AbortSignal, work: (client: EtcdClient) => Promise<T>): Promise<T> {
    const url = this.#urls[this.#turn % this.#urls.length]!;
    try {
      return await work(await this.#client(url, signal));
    } catch (error) {
      this.drop(url);
      throw error;
    }
  }

  /** Like `use` for work that may be done twice: every member has its turn before an error is passed on. */
  async ask<T>(signal: AbortSignal, work: (client: EtcdClient) => Promise<T>): Promise<T> {
    for (let left = this.#urls.length - 1; ; left--) {
      try {
        return await this.use(signal, work);
      } catch (error) {
        if (left === 0 || signal.aborted) throw error;
      }
    }
  }

  /** The member in use, for a call that goes on; tell `drop` when it fails. */
  async member(signal: AbortSignal): Promise<{ readonly url: string; readonly client: EtcdClient }> {
    const url = this.#urls[this.#turn % this.#urls.length]!;
    try {
      return { url, client: await this.#client(url, signal) };
    } catch (error) {
      this.drop(url);
      throw error;
    }
  }

  /** A member failed: its connections are closed, and if it was in use, the next one is. */
  drop(url: string): void {
    void this.#clients.get(url)?.then(
      (client) => client.close(),
      () => {},
    );
    this.#clients.delete(url);
    if (this.#urls[this.#turn % this.#urls.length] === url) this.#turn++;
  }

  close(): void {
    for (const url of this.#urls) this.drop(url);
  }

  #client(url: string, signal: AbortSignal): Promise<EtcdClient> {
    let client = this.#clients.get(url);
    if (client === undefined) this.#clients.set(url, (client = this.#open(url, signal)));
    return client;
  }

  async #open(url: string, signal: AbortSignal): Promise<EtcdClient> {
    const client = new EtcdClient(url, this.#options);
    await client.login(signal);
    return client;
  }
}
