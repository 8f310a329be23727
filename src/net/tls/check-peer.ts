import type { CertificateFacts } from "./certificate-facts.ts";
import type { SubjectAltName } from "./subject-alt-names.ts";

/** What a peer's certificate must satisfy after its chain of trust was looked at. */
export interface PeerPolicy {
  /** There are trusted CAs, and the chain must lead to one of them. */
  readonly verifyChain: boolean;
  /** At least one must accept one of the names; empty = names do not matter. */
  readonly nameMatchers: readonly NameMatcher[];
  /** SHA-256 of certificates, lower-case hex; with `pins`, one of both lists must hold the certificate. */
  readonly hashes: readonly string[];
  /** SHA-256 of SPKI, base64. */
  readonly pins: readonly string[];
}

export type NameMatcher = (name: SubjectAltName) => boolean;

/** A name that a host's certificate must have. */
export interface RequiredName {
  readonly name: string;
  /** It is what a request asks for (auto_san_validation), and not the configured server name. */
  readonly fromRequest: boolean;
  readonly matches: NameMatcher;
}

/** Why a peer is refused: the stat that counts it, and Envoy's text. */
export interface PeerProblem {
  readonly stat: "fail_verify_error" | "fail_verify_san" | "fail_verify_cert_hash";
  readonly reason: string;
}

/** OpenSSL's verdicts as X509_verify_cert_error_string prints them. */
const VERDICTS: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: "unable to get issuer certificate",
  UNABLE_TO_GET_CRL: "unable to get certificate CRL",
  CERT_SIGNATURE_FAILURE: "certificate signature failure",
  CRL_SIGNATURE_FAILURE: "CRL signature failure",
  CERT_NOT_YET_VALID: "certificate is not yet valid",
  CERT_HAS_EXPIRED: "certificate has expired",
  CRL_NOT_YET_VALID: "CRL is not yet valid",
  CRL_HAS_EXPIRED: "CRL has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "self signed certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "self signed certificate in certificate chain",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unable to get local issuer certificate",
  // BoringSSL stops at the missing issuer; OpenSSL goes on and reports what follows from it.
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unable to get local issuer certificate",
  CERT_CHAIN_TOO_LONG: "certificate chain too long",
  CERT_REVOKED: "certificate revoked",
  INVALID_CA: "invalid CA certificate",
  PATH_LENGTH_EXCEEDED: "path length constraint exceeded",
  INVALID_PURPOSE: "unsupported certificate purpose",
  CERT_UNTRUSTED: "certificate not trusted",
  CERT_REJECTED: "certificate rejected",
};

/**
 * Undefined when the certificate is acceptable. `verdict` is OpenSSL's error code for the chain, "" when it is trusted;
 * `depth` is where in the chain the fault lies. `required` is a name that must be there besides what the policy asks.
 */
export function checkPeer(
  certificate: CertificateFacts,
  verdict: string,
  depth: number,
  policy: PeerPolicy,
  required?: RequiredName,
): PeerProblem | undefined {
  if (policy.verifyChain && verdict !== "") {
    const text = VERDICTS[verdict] ?? verdict.toLowerCase().replaceAll("_", " ");
    return {
      stat: "fail_verify_error",
      reason: `X509_verify_cert: certificate verification error at depth ${depth}: ${text}`,
    };
  }
  const matchers = policy.nameMatchers;
  const unnamed = required !== undefined && !certificate.names.some(required.matches);
  const unmatched =
    matchers.length > 0 && !certificate.names.some((name) => matchers.some((match) => match(name)));
  if (unnamed || unmatched) {
    const shown = `[${certificate.names.map(({ value }) => value).join(", ")}]`;
    const reason =
      unnamed && required.fromRequest
        ? `verify SAN list, expected SANs: [${required.name}], certificate SANs: ${shown}`
        : `SAN matcher, certificate SANs are ${shown}`;
    return { stat: "fail_verify_san", reason };
  }
  const { hashes, pins } = policy;
  if (hashes.length + pins.length === 0) return undefined;
  if (hashes.includes(certificate.fingerprint256)) return undefined;
  if (pins.length > 0 && pins.includes(certificate.spkiPin)) return undefined;
  return { stat: "fail_verify_cert_hash", reason: "certificate hash or SPKI pin does not match" };
}

/**
 * Whether a DNS name of a certificate, maybe with a wildcard as its whole first label, covers a host name
 * (RFC 6125, 6.4.3).
 */
export function dnsNameMatches(pattern: string, name: string): boolean {
  const wanted = name.toLowerCase();
  const own = pattern.toLowerCase();
  if (own === wanted) return true;
  if (!own.startsWith("*.")) return false;
  const dot = wanted.indexOf(".");
  return dot > 0 && wanted.slice(dot) === own.slice(1);
}
