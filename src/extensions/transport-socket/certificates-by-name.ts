import { subjectAltNames } from "../../net/tls/subject-alt-names.ts";
import type { KeyPair } from "./tls-secrets.ts";

/**
 * Which certificates a server shows: those with the exact name, then those with a wildcard for its first label, then
 * the first one. For each choice there is at most one certificate per kind of key; OpenSSL takes the one that the
 * client can use.
 */
export class CertificatesByName {
  readonly #exact = new Map<string, KeyPair[]>();
  readonly #wildcard = new Map<string, KeyPair[]>();

  constructor(pairs: readonly KeyPair[]) {
    for (const pair of pairs) {
      for (const name of dnsNames(pair)) {
        const wild = name.startsWith("*.");
        add(wild ? this.#wildcard : this.#exact, wild ? name.slice(1) : name, pair);
      }
    }
  }

  /** Undefined when no certificate has the name. */
  find(serverName: string): readonly KeyPair[] | undefined {
    const exact = this.#exact.get(serverName);
    if (exact !== undefined) return exact;
    const dot = serverName.indexOf(".");
    return dot < 0 ? undefined : this.#wildcard.get(serverName.slice(dot));
  }

  /** All choices. */
  *choices(): Iterable<readonly KeyPair[]> {
    yield* this.#exact.values();
    yield* this.#wildcard.values();
  }
}

/** The first certificate of each kind of key: what clients get that name no server. */
export function firstOfEachKind(pairs: readonly KeyPair[]): KeyPair[] {
  return pairs.filter((pair, i) => pairs.findIndex((other) => other.keyType === pair.keyType) === i);
}

function add(map: Map<string, KeyPair[]>, name: string, pair: KeyPair): void {
  const known = map.get(name);
  if (known === undefined) map.set(name, [pair]);
  else if (known.every(({ keyType }) => keyType !== pair.keyType)) known.push(pair);
}

/** Subject alternative names, or the common name when there are none. */
function dnsNames(pair: KeyPair): string[] {
  const names = subjectAltNames(pair.leaf).filter(({ type }) => type === "dns");
  if (names.length > 0) return names.map(({ value }) => value.toLowerCase());
  const common = /^CN=(.+)$/m.exec(pair.leaf.subject ?? "");
  return common === null ? [] : [common[1]!.toLowerCase()];
}
