import { systemClock } from "../../../base/clock.ts";
import { isIP } from "node:net";
import { Dns } from "../../../net/dns.ts";
import { describeError } from "../../../base/describe-error.ts";

const KEEP_MS = 30_000;
const HOST_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}$/;

/**
 * Addresses of the host names that registries give in place of IP addresses. Asked again after 30 seconds; when that
 * fails, the last answer stays.
 */
export class HostAddresses {
  readonly #dns: Dns;
  readonly #warn: (message: string) => void;
  readonly #known = new Map<string, { addresses: Promise<readonly string[]>; until: number }>();

  constructor(warn: (message: string) => void, dns: Dns = new Dns({ timeout: 1000, tries: 2 })) {
    this.#warn = warn;
    this.#dns = dns;
  }

  /** The addresses of a host, IPv4 if it has any; an IP address stands for itself. Empty when none is known. */
  async of(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    if (!HOST_NAME.test(host)) return [];
    const known = this.#known.get(host);
    if (known !== undefined && known.until > systemClock.wall()) return known.addresses;
    const entry = { addresses: this.#resolve(host, known?.addresses), until: systemClock.wall() + KEEP_MS };
    this.#known.set(host, entry);
    return entry.addresses;
  }

  async #resolve(host: string, before: Promise<readonly string[]> | undefined): Promise<readonly string[]> {
    try {
      const found = await this.#dns.resolve(host, "v4-preferred");
      if (found.length > 0) return found.map(({ address }) => address).sort();
      this.#warn(`host "${host}" has no address; keeping what is known`);
    } catch (error) {
      this.#warn(`cannot resolve host "${host}": ${describeError(error)}; keeping what is known`);
    }
    return (await before) ?? [];
  }
}
