import { createHash, type X509Certificate } from "node:crypto";
import { subjectAltNames, type SubjectAltName } from "./subject-alt-names.ts";

/** What logs, headers and checks ask of a certificate; each answer is computed when first asked for. */
export class CertificateFacts {
  readonly certificate: X509Certificate;
  #subject: string | undefined;
  #issuer: string | undefined;
  #fingerprint256: string | undefined;
  #names: readonly SubjectAltName[] | undefined;
  #pem: string | undefined;

  constructor(certificate: X509Certificate) {
    this.certificate = certificate;
  }

  /** As RFC 2253 writes it: "CN=client,O=Example\\, Inc,C=DE". */
  get subject(): string {
    return (this.#subject ??= rfc2253(this.certificate.subject));
  }

  get issuer(): string {
    return (this.#issuer ??= rfc2253(this.certificate.issuer));
  }

  /** Lower-case hex. */
  get serial(): string {
    return this.certificate.serialNumber.toLowerCase();
  }

  /** SHA-256 of the certificate, lower-case hex. */
  get fingerprint256(): string {
    return (this.#fingerprint256 ??= createHash("sha256").update(this.certificate.raw).digest("hex"));
  }

  /** SHA-1 of the certificate, lower-case hex. */
  get fingerprint1(): string {
    return createHash("sha1").update(this.certificate.raw).digest("hex");
  }

  /** SHA-256 of the public key's SPKI form, base64. */
  get spkiPin(): string {
    const spki = this.certificate.publicKey.export({ type: "spki", format: "der" });
    return createHash("sha256").update(spki).digest("base64");
  }

  /** Malformed names count as none. */
  get names(): readonly SubjectAltName[] {
    if (this.#names === undefined) {
      try {
        this.#names = subjectAltNames(this.certificate);
      } catch {
        this.#names = [];
      }
    }
    return this.#names;
  }

  /** Names of one type. */
  namesOf(type: SubjectAltName["type"]): string[] {
    return this.names.filter((name) => name.type === type).map(({ value }) => value);
  }

  /** PEM, percent-encoded as in X-Forwarded-Client-Cert. */
  get urlEncodedPem(): string {
    return (this.#pem ??= encodeURIComponent(this.certificate.toString()));
  }

  get validFrom(): Date {
    return this.certificate.validFromDate;
  }

  get validTo(): Date {
    return this.certificate.validToDate;
  }
}

/** Node's one line per attribute, first to last, as RFC 2253's one line, last to first. */
function rfc2253(lines: string | undefined): string {
  return (lines ?? "").split("\n").reverse().join(",");
}
