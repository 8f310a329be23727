import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { HostsFile } from "./hosts-file.ts";
import { candidateNames, readSearchRules, type SearchRules } from "./search-domains.ts";

/** Which addresses a name stands for. "auto" takes IPv4 addresses only when there are no IPv6 ones. */
export type DnsFamily = "auto" | "v4-only" | "v6-only" | "v4-preferred" | "all";

export interface DnsRecord {
  readonly address: string;
  /** Seconds; 0 = not known. */
  readonly ttl: number;
}

/**
 * Asks for the addresses of a full name. Rejects with `code` "ENOTFOUND" or "ENODATA" when there are none, with
 * anything else when the question could not be answered.
 */
export type DnsQuery = (name: string, family: 4 | 6) => Promise<readonly DnsRecord[]>;

export interface DnsOptions {
  /** Servers to ask, "ip" or "ip:port"; default: those of the system. */
  readonly servers?: readonly string[];
  /** Milliseconds for the first try; later ones wait longer. */
  readonly timeout?: number;
  readonly tries?: number;
  readonly hostsFile?: string;
  readonly search?: SearchRules;
  /** In place of questions over the network. */
  readonly query?: DnsQuery;
}

const LOOPBACK = { 4: "127.0.0.1", 6: "::1" } as const;

/**
 * Resolves names as Envoy's c-ares does: addresses stand for themselves, then the hosts file, "localhost" without any
 * server (RFC 6761), then DNS with the search domains of resolv.conf.
 */
export class Dns {
  readonly #hosts: HostsFile;
  readonly #search: SearchRules;
  readonly #query: DnsQuery;

  constructor(options: DnsOptions = {}) {
    this.#hosts = new HostsFile(options.hostsFile);
    this.#search = options.search ?? readSearchRules();
    this.#query = options.query ?? networkQuery(options);
  }

  /** Addresses of a name; empty when it exists without any or not at all. Rejects when that is not known. */
  async resolve(name: string, family: DnsFamily): Promise<readonly DnsRecord[]> {
    switch (family) {
      case "v4-only":
        return this.#lookup(name, 4);
      case "v6-only":
        return this.#lookup(name, 6);
      case "v4-preferred":
        return this.#preferring(name, 4, 6);
      case "auto":
        return this.#preferring(name, 6, 4);
      case "all":
        return this.#both(name);
    }
  }

  async #preferring(name: string, first: 4 | 6, second: 4 | 6): Promise<readonly DnsRecord[]> {
    const found = await this.#lookup(name, first).catch(() => []);
    return found.length > 0 ? found : this.#lookup(name, second);
  }

  async #both(name: string): Promise<readonly DnsRecord[]> {
    const [v4, v6] = await Promise.allSettled([this.#lookup(name, 4), this.#lookup(name, 6)]);
    if (v4.status === "rejected" && v6.status === "rejected") throw v4.reason;
    return [...valueOf(v4), ...valueOf(v6)];
  }

  async #lookup(name: string, family: 4 | 6): Promise<readonly DnsRecord[]> {
    const literal = isIP(name);
    if (literal !== 0) return literal === family ? [{ address: name, ttl: 0 }] : [];
    const known = this.#hosts.lookup(name, family);
    if (known.length > 0) return known.map((address) => ({ address, ttl: 0 }));
    if (/(^|\.)localhost\.?$/i.test(name)) return [{ address: LOOPBACK[family], ttl: 0 }];
    for (const candidate of candidateNames(name, this.#search)) {
      const found = await this.#ask(candidate, family);
      if (found.length > 0) return found;
    }
    return [];
  }

  async #ask(name: string, family: 4 | 6): Promise<readonly DnsRecord[]> {
    try {
      return await this.#query(name, family);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "ENOTFOUND" || code === "ENODATA") return [];
      throw error;
    }
  }
}

function valueOf(result: PromiseSettledResult<readonly DnsRecord[]>): readonly DnsRecord[] {
  return result.status === "fulfilled" ? result.value : [];
}

function networkQuery(options: DnsOptions): DnsQuery {
  const resolver = new Resolver({ timeout: options.timeout ?? 5000, tries: options.tries ?? 4 });
  if (options.servers !== undefined) resolver.setServers(options.servers);
  return (name, family) =>
    family === 4 ? resolver.resolve4(name, { ttl: true }) : resolver.resolve6(name, { ttl: true });
}
