import { createHash, hkdfSync } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import type { Messages } from "../../proto/messages.d.ts";
import { loadData } from "./data-source.ts";
import type { KeyPair, TlsMaterial, Validation } from "./tls-secrets.ts";

type TicketKeys = Messages["envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys"];

const TICKET_KEY_LENGTH = 80;

/** Keys of one context: at most one pair per kind of key. */
export function keyOptions(pairs: readonly KeyPair[]): SecureContextOptions {
  return {
    cert: pairs.map(({ chain }) => chain.bytes),
    key: pairs.map(({ key, password }) => ({
      pem: key,
      ...(password !== undefined && { passphrase: password }),
    })),
  };
}

/** Trust of one context. Without trusted CAs there are none: Node's own list is never used. */
export function trustOptions(validation: Validation | undefined): SecureContextOptions {
  const { trustedCa, crl } = validation ?? {};
  return {
    ca: trustedCa === undefined ? [] : [trustedCa.bytes],
    // Any certificate in trusted_ca is trusted, whether it signed itself or not.
    allowPartialTrustChain: true,
    ...(crl !== undefined && { crl: crl.bytes }),
  };
}

/** Hash over all that a session was made under: with other certificates or other trust it is not resumed. */
export function materialHash(material: TlsMaterial, settings: Uint8Array): Buffer {
  const hash = createHash("sha256").update(settings);
  for (const { chain } of material.keyPairs) hash.update(chain.bytes);
  const { trustedCa, crl } = material.validation ?? {};
  for (const data of [trustedCa, crl]) if (data !== undefined) hash.update(data.bytes);
  return hash.digest();
}

/** Keys that encrypt session tickets, the same for all who share the secret: 48 bytes, as Node wants them. */
export function ticketKeys(secret: Uint8Array, material: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, material, "weft session tickets", 48));
}

/**
 * The secret of session_ticket_keys: the first of them. OpenSSL's other keys, for tickets made before a change, are out of
 * reach: their clients do a full handshake. Throws, with Envoy's text, for a key of another length than 80 bytes.
 */
export function configuredTicketSecret(keys: TicketKeys): Buffer | undefined {
  const loaded = keys.keys.map((key) => loadData(key)?.bytes ?? Buffer.alloc(0));
  const wrong = loaded.find((bytes) => bytes.length !== TICKET_KEY_LENGTH);
  if (wrong !== undefined)
    throw new Error(
      `Incorrect TLS session ticket key length. Length ${wrong.length}, expected length ${TICKET_KEY_LENGTH}.`,
    );
  return loaded[0];
}
