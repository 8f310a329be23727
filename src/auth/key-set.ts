import { readFile } from "node:fs/promises";
import { createLocalJWKSet } from "jose";
import type { JSONWebKeySet, JWTVerifyGetKey } from "jose";
import type { Logger } from "pino";
import type { Clock } from "../base/clock.ts";

/** A key set could not be had, ever: nothing can be said about a token. */
export class NoKeysError extends Error {}

/** At most this often keys are fetched because a token names one that is not known: anybody can send such tokens. */
const cooldownMs = 5000;
const fetchTimeoutMs = 5000;
const retryMs = 2000;

/** The keys of a file or URL: read again from time to time, and when a token names a key that is not there; a failure leaves the known ones. */
export class KeySet {
  readonly #source: string;
  readonly #refreshMs: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onChange: () => void;
  #keys: JWTVerifyGetKey | undefined;
  #text = "";
  #triedAt = -Infinity;
  #freshAt = -Infinity;
  #reading: Promise<void> | undefined;
  #cancel: () => void = () => {};
  refreshes = 0;
  failures = 0;

  /** `onChange` is told when keys came or went: what was proved by old ones must be proved again. */
  constructor(source: string, refreshSeconds: number, clock: Clock, log: Logger, onChange: () => void) {
    this.#source = source;
    this.#refreshMs = refreshSeconds * 1000;
    this.#clock = clock;
    this.#log = log;
    this.#onChange = onChange;
  }

  /** Seconds since the keys were last read; undefined before the first time. */
  get ageSeconds(): number | undefined {
    return this.#keys === undefined ? undefined : (this.#clock.now() - this.#freshAt) / 1000;
  }

  /** Reads the keys for the first time. Throws when a file is bad; a URL that does not answer is tried again later. */
  async start(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      if (!isUrl(this.#source)) throw error;
    }
    this.#schedule();
  }

  stop(): void {
    this.#cancel();
  }

  /** Finds the key of a token, for jose. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (this.#keys === undefined) await this.#refreshSoon();
    if (this.#keys === undefined) throw new NoKeysError("there are no keys yet");
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_JWKS_NO_MATCHING_KEY") throw error;
      if (!(await this.#refreshSoon())) throw error;
      return await this.#keys(header, token);
    }
  };

  /** Reads now. Throws when that fails; the known keys stay. */
  async refresh(): Promise<void> {
    await (this.#reading ??= this.#read().finally(() => (this.#reading = undefined)));
  }

  async #refreshSoon(): Promise<boolean> {
    if (this.#reading === undefined && this.#clock.now() < this.#triedAt + cooldownMs) return false;
    try {
      await this.refresh();
      return true;
    } catch {
      return false;
    }
  }

  async #read(): Promise<void> {
    this.#triedAt = this.#clock.now();
    try {
      const text = isUrl(this.#source) ? await fetchText(this.#source) : await readFile(this.#source, "utf8");
      if (text !== this.#text || this.#keys === undefined) {
        this.#keys = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
        this.#text = text;
        this.#onChange();
      }
      this.#freshAt = this.#clock.now();
      this.refreshes++;
    } catch (cause) {
      this.failures++;
      const error = new Error(`Cannot load the key set "${this.#source}": ${(cause as Error).message}`, {
        cause,
      });
      this.#log.error(
        { error: error.message, known: this.#keys !== undefined },
        "cannot read the key set; will try again",
      );
      throw error;
    }
  }

  #schedule(): void {
    const wait = this.#keys === undefined ? retryMs : this.#refreshMs;
    this.#cancel = this.#clock.after(wait, () => {
      // The failure is logged where it happens, and the next try is scheduled either way.
      void this.refresh().then(
        () => this.#schedule(),
        () => this.#schedule(),
      );
    });
  }
}

function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(fetchTimeoutMs),
    headers: { accept: "application/json" },
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return await response.text();
}
