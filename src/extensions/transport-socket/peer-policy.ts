import { dnsNameMatches, type NameMatcher, type PeerPolicy } from "../../net/tls/check-peer.ts";
import type { SubjectAltName } from "../../net/tls/subject-alt-names.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { compileStringMatcher } from "../../proxy/matcher/string-matcher.ts";
import type { Validation } from "./tls-secrets.ts";

type TypedMatcher = Messages["envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher"];
type StringMatcher = Messages["envoy.type.matcher.v3.StringMatcher"];

const ACCEPT_UNTRUSTED = 1;
/** By SanType. */
const TYPES: readonly (SubjectAltName["type"] | undefined)[] = [
  undefined,
  "email",
  "dns",
  "uri",
  "ip",
  "other",
];

/** Nothing is asked of the peer. */
const TRUST_ALL: PeerPolicy = { verifyChain: false, nameMatchers: [], hashes: [], pins: [] };

/** What a peer's certificate must satisfy. Throws an Error with Envoy's text. */
export function peerPolicy(validation: Validation | undefined): PeerPolicy {
  if (validation === undefined) return TRUST_ALL;
  const { config, trustedCa, crl } = validation;
  const typed = config.matchTypedSubjectAltNames;
  const untyped = config.matchSubjectAltNames;
  if (typed.length > 0 && untyped.length > 0)
    throw new Error(
      "SAN-based verification using both match_typed_subject_alt_names and the deprecated match_subject_alt_names is not allowed",
    );
  if (typed.length + untyped.length > 0 && trustedCa === undefined)
    throw new Error(
      "SAN-based verification of peer certificates without trusted CA is insecure and not allowed",
    );
  if (crl !== undefined && trustedCa === undefined)
    throw new Error(`Failed to load CRL from ${crl.path} without trusted CA`);
  return {
    verifyChain: trustedCa !== undefined && (config.trustChainVerification as number) !== ACCEPT_UNTRUSTED,
    nameMatchers: [...typed.map(typedMatcher), ...untyped.map(anyTypeMatcher)],
    hashes: config.verifyCertificateHash.map(certificateHash),
    pins: config.verifyCertificateSpki.map(spkiPin),
  };
}

/** The certificate must hold this name (auto_san_validation). */
export function exactName(wanted: string): NameMatcher {
  return ({ type, value }) => (type === "dns" ? dnsNameMatches(value, wanted) : value === wanted);
}

function typedMatcher(config: TypedMatcher): NameMatcher {
  const type = TYPES[config.sanType];
  if (type === undefined || config.matcher === undefined)
    throw new Error("match_typed_subject_alt_names: san_type and matcher must be set");
  if (type === "other" && config.oid === "") throw new Error("oid must be set for san_type OTHER_NAME");
  const pattern = config.matcher.matchPattern;
  // The certificate's own wildcards count when a whole DNS name is asked for.
  if (type === "dns" && pattern.case === "exact") {
    const wanted = pattern.value;
    return (name) => name.type === "dns" && dnsNameMatches(name.value, wanted);
  }
  const match = compileStringMatcher(config.matcher);
  return (name) => name.type === type && (type !== "other" || name.oid === config.oid) && match(name.value);
}

function anyTypeMatcher(config: StringMatcher): NameMatcher {
  const match = compileStringMatcher(config);
  const exact = config.matchPattern.case === "exact" ? config.matchPattern.value : undefined;
  return ({ type, value }) =>
    type !== "other" && (type === "dns" && exact !== undefined ? dnsNameMatches(value, exact) : match(value));
}

/** 64 hex digits, maybe with colons between the bytes. */
function certificateHash(text: string): string {
  const hex = text.replaceAll(":", "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new Error(`Invalid hex-encoded SHA-256 ${text}`);
  return hex;
}

function spkiPin(text: string): string {
  if (Buffer.from(text, "base64").length !== 32) throw new Error(`Invalid base64-encoded SHA-256 ${text}`);
  return text;
}
