import { X509Certificate } from "node:crypto";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** All certificates of a PEM text, in order. Throws when one is malformed. */
export function certificatesIn(pem: Buffer): X509Certificate[] {
  return (pem.toString("latin1").match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
}
