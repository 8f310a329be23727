import type { Clock } from "../../base/clock.ts";
import { encode, type MessageOf } from "../../proto/registry.ts";
import type { StatStore } from "../../stats/stat-store.ts";
import type { Resource } from "../../xds/source.ts";
import type { Logger } from "../api.ts";
import type { ToWorker } from "../link.ts";
import { secretKey } from "../secrets.ts";
import type { SdsConfig } from "./sds-configs.ts";
import { Subscription, type OpenWatch } from "./subscription.ts";

type Secret = MessageOf<"envoy.extensions.transport_sockets.tls.v3.Secret">;

const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";

export interface SecretManagerOptions {
  readonly open: OpenWatch;
  /** Throws an Error with Envoy's text if no TLS context could use the secret. */
  check(secret: Secret): void;
  broadcast(message: ToWorker): void;
  readonly stats: StatStore;
  readonly texts: Map<string, string>;
  readonly clock: Clock;
  logger(component: string): Logger;
}

/** A hold on the secrets of one cluster or listener. */
export interface SecretLease {
  release(): void;
}

interface Entry {
  readonly key: string;
  readonly subscription: Subscription;
  bytes: Uint8Array | undefined;
  users: number;
  initialised: boolean;
  waiting: (() => void)[];
}

/** The secrets of the process: those of static_resources, and those that TLS contexts ask for by SDS. */
export class SecretManager {
  readonly #options: SecretManagerOptions;
  readonly #static = new Set<string>();
  readonly #entries = new Map<string, Entry>();

  constructor(options: SecretManagerOptions) {
    this.#options = options;
  }

  /** Adds a secret of the bootstrap. Throws an Error with Envoy's text. */
  addStatic(secret: Secret): void {
    if (this.#static.has(secret.name)) throw new Error(`Duplicate static secret name ${secret.name}`);
    this.#options.check(secret);
    this.#static.add(secret.name);
    this.#options.broadcast({ kind: "secret", key: secret.name, bytes: encode(SECRET, secret) });
  }

  /** Throws an Error if one of these secrets can never come. */
  verify(configs: readonly SdsConfig[]): void {
    for (const { name, sdsConfig } of configs) {
      if (sdsConfig === undefined && !this.#static.has(name))
        throw new Error(`Unknown static secret: '${name}'`);
    }
  }

  /** Asks for secrets. `onReady` is called once they are all there, or need not be waited for; never at once. */
  lease(configs: readonly SdsConfig[], onReady: () => void): SecretLease {
    let left = 1;
    const done = (): void => {
      if (--left === 0) onReady();
    };
    const taken: Entry[] = [];
    for (const config of configs) {
      if (config.sdsConfig === undefined) continue;
      const entry = this.#entry(config);
      entry.users++;
      taken.push(entry);
      if (entry.initialised) continue;
      left++;
      entry.waiting.push(done);
    }
    queueMicrotask(done);
    let released = false;
    return {
      release: () => {
        if (released) return;
        released = true;
        for (const entry of taken) this.#give(entry);
      },
    };
  }

  close(): void {
    for (const { subscription } of this.#entries.values()) subscription.close();
  }

  #entry(config: SdsConfig): Entry {
    const key = secretKey(config);
    let entry = this.#entries.get(key);
    if (entry === undefined) this.#entries.set(key, (entry = this.#open(config, key)));
    return entry;
  }

  #give(entry: Entry): void {
    if (--entry.users > 0) return;
    entry.subscription.close();
    this.#entries.delete(entry.key);
    this.#options.broadcast({ kind: "secret", key: entry.key, bytes: undefined });
  }

  #open({ name, sdsConfig }: SdsConfig, key: string): Entry {
    const { open, stats, texts, clock, logger } = this.#options;
    const scope = stats.scope(`sds.${name}.`);
    scope.counter("key_rotation_failed");
    const entry: { -readonly [K in keyof Entry]: Entry[K] } = {
      key,
      subscription: undefined as never,
      bytes: undefined,
      users: 0,
      initialised: false,
      waiting: [],
    };
    entry.subscription = new Subscription({
      source: sdsConfig!,
      kind: "sds",
      name,
      open,
      scope,
      texts,
      clock,
      log: logger("secret"),
      onUpdate: (resources) => this.#apply(entry, name, resources),
      onInitialised: () => {
        entry.initialised = true;
        const { waiting } = entry;
        entry.waiting = [];
        for (const onReady of waiting) onReady();
      },
    });
    return entry;
  }

  #apply(entry: Entry, name: string, resources: readonly Resource[]): void {
    const found = resources[0];
    if (found === undefined) throw new Error(`Missing SDS resources for ${name} in onConfigUpdate()`);
    const { message, bytes } = found;
    if (entry.bytes !== undefined && Buffer.compare(entry.bytes, bytes) === 0) return;
    this.#options.check(message as Secret);
    entry.bytes = bytes;
    this.#options.broadcast({ kind: "secret", key: entry.key, bytes });
    this.#options.logger("secret").debug(`secret '${name}' is updated`);
  }
}
