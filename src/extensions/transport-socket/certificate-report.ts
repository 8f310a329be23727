import type { X509Certificate } from "node:crypto";
import { CertificateFacts } from "../../net/tls/certificate-facts.ts";
import type { SubjectAltName } from "../../net/tls/subject-alt-names.ts";
import type { CertificateReport } from "../../proxy/api.ts";
import { certificatesIn } from "./pem.ts";
import type { TlsMaterial } from "./tls-secrets.ts";

const DAY = 86_400_000;

/** What /certs shows of a context, at the wall clock's `now`. */
export function certificateReport(material: TlsMaterial | undefined, now: number): CertificateReport {
  if (material === undefined) return { ca_cert: [], cert_chain: [] };
  const { keyPairs, validation } = material;
  const trusted = validation?.trustedCa;
  const roots = trusted === undefined ? [] : certificatesIn(trusted.bytes).slice(0, 1);
  return {
    ca_cert: roots.map((certificate) => describe(certificate, trusted!.path, now)),
    cert_chain: keyPairs.map(({ leaf, chain }) => describe(leaf, chain.path, now)),
  };
}

function describe(certificate: X509Certificate, path: string, now: number): unknown {
  const facts = new CertificateFacts(certificate);
  return {
    path,
    serial_number: facts.serial,
    subject_alt_names: facts.names.flatMap(nameJson),
    days_until_expiration: String(Math.max(0, Math.floor((facts.validTo.getTime() - now) / DAY))),
    valid_from: seconds(facts.validFrom),
    expiration_time: seconds(facts.validTo),
  };
}

function nameJson({ type, value }: SubjectAltName): unknown[] {
  if (type === "dns") return [{ dns: value }];
  if (type === "uri") return [{ uri: value }];
  if (type === "ip") return [{ ip_address: value }];
  return [];
}

function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}
