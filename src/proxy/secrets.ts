import { decode, encode } from "../proto/registry.ts";
import type { Messages } from "../proto/messages.d.ts";
import type { Secrets } from "./api.ts";
import type { ToWorker } from "./link.ts";

type SdsConfig = Messages["envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"];
type Secret = Messages["envoy.extensions.transport_sockets.tls.v3.Secret"];

const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";

/** Where configuration is only tried out, no secret is known. */
export const NO_SECRETS: Secrets = { follows: false, get: () => undefined, watch: () => () => {} };

/** What tells one secret from another: its name, and who it is asked for. */
export function secretKey({ name, sdsConfig }: SdsConfig): string {
  if (sdsConfig === undefined) return name;
  return `${name} ${Buffer.from(encode("envoy.config.core.v3.ConfigSource", sdsConfig)).toString("base64")}`;
}

/** The secrets that the main thread has told a thread of. */
export class ThreadSecrets implements Secrets {
  readonly follows = true;
  readonly #secrets = new Map<string, Secret>();
  readonly #watchers = new Map<string, Set<() => void>>();

  get(config: SdsConfig): Secret | undefined {
    return this.#secrets.get(secretKey(config));
  }

  watch(config: SdsConfig, onChange: () => void): () => void {
    const key = secretKey(config);
    let watchers = this.#watchers.get(key);
    if (watchers === undefined) this.#watchers.set(key, (watchers = new Set()));
    const own = watchers;
    own.add(onChange);
    return () => {
      own.delete(onChange);
      if (own.size === 0 && this.#watchers.get(key) === own) this.#watchers.delete(key);
    };
  }

  apply({ key, bytes }: Extract<ToWorker, { kind: "secret" }>): void {
    if (bytes === undefined) {
      this.#secrets.delete(key);
      return;
    }
    this.#secrets.set(key, decode(SECRET, bytes));
    for (const onChange of this.#watchers.get(key) ?? []) onChange();
  }
}
