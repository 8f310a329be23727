import { X509Certificate, createPrivateKey, type KeyObject } from "node:crypto";
import { dirname } from "node:path";
import type { Messages } from "../../proto/messages.d.ts";
import type { Secrets } from "../../proxy/api.ts";
import { loadData, pathOf, type LoadedData } from "./data-source.ts";

type CommonTlsContext = Messages["envoy.extensions.transport_sockets.tls.v3.CommonTlsContext"];
type TlsCertificate = Messages["envoy.extensions.transport_sockets.tls.v3.TlsCertificate"];
type ValidationContext = Messages["envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext"];
type SdsConfig = Messages["envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"];
type Secret = Messages["envoy.extensions.transport_sockets.tls.v3.Secret"];

/** RSA keys must have as many bits. */
const LEAST_RSA_BITS = 2048;

/** A certificate with its key, ready for use. */
export interface KeyPair {
  /** Name of the secret; "" for certificates that are written in place. */
  readonly name: string;
  readonly chain: LoadedData;
  readonly leaf: X509Certificate;
  readonly key: Buffer;
  readonly password: string | undefined;
  /** "rsa", "ec", … */
  readonly keyType: string;
}

/** Whom to trust. */
export interface Validation {
  readonly name: string;
  readonly config: ValidationContext;
  readonly trustedCa: LoadedData | undefined;
  readonly crl: LoadedData | undefined;
}

/** What a TLS context is made of, as files and secrets say now. */
export interface TlsMaterial {
  readonly keyPairs: readonly KeyPair[];
  readonly validation: Validation | undefined;
  /** Directories in which a move announces new contents. */
  readonly watched: ReadonlySet<string>;
  /** Some of it comes from secrets that are discovered. */
  readonly discovered: boolean;
}

/**
 * Reads all certificates and secrets; undefined as long as a secret has not come. Throws an Error that says which cannot be
 * used and why.
 */
export function loadTlsMaterial(
  common: CommonTlsContext | undefined,
  secrets: Secrets,
): TlsMaterial | undefined {
  const watched = new Set<string>();
  if (common === undefined) return { keyPairs: [], validation: undefined, watched, discovered: false };
  if (common.tlsCertificates.length > 0 && common.tlsCertificateSdsSecretConfigs.length > 0)
    throw new Error("tls_certificates and tls_certificate_sds_secret_configs cannot be used together");
  const keyPairs = common.tlsCertificates.map((config) => {
    watch(config.watchedDirectory?.path, watched);
    for (const source of [config.certificateChain, config.privateKey, config.password])
      watch(source?.watchedDirectory?.path, watched);
    return keyPair(config, "");
  });
  const trust = trustOf(common);
  // What is written in place is looked at even while secrets are missing.
  const inPlace = trust.sds === undefined ? trust.config && validation(trust.config, "", watched) : undefined;
  const found = sdsConfigsOf(common).map((sds) => secrets.get(sds));
  if (found.includes(undefined)) return undefined;
  for (const sds of common.tlsCertificateSdsSecretConfigs) {
    const { type } = secrets.get(sds)!;
    if (type.case !== "tlsCertificate") throw new Error(`secret "${sds.name}" is not a tls_certificate`);
    for (const source of [type.value.certificateChain, type.value.privateKey]) watchFile(source, watched);
    watch(type.value.watchedDirectory?.path, watched);
    keyPairs.push(keyPair(type.value, sds.name));
  }
  return {
    keyPairs,
    validation:
      trust.sds === undefined
        ? inPlace
        : discoveredValidation(trust.sds.name, secrets.get(trust.sds)!, trust.config, watched),
    watched,
    discovered: found.length > 0,
  };
}

/** The secrets that a context asks for. */
export function sdsConfigsOf(common: CommonTlsContext | undefined): SdsConfig[] {
  if (common === undefined) return [];
  const { sds } = trustOf(common);
  return [...common.tlsCertificateSdsSecretConfigs, ...(sds === undefined ? [] : [sds])];
}

/** Throws an Error with Envoy's text for a secret that could not be used. */
export function checkSecret({ name, type }: Secret): void {
  const unwatched = new Set<string>();
  if (type.case === "tlsCertificate") keyPair(type.value, name);
  else if (type.case === "validationContext") validation(type.value, name, unwatched);
  else throw new Error(`secret "${name}": ${type.case ?? "a secret without a type"} is not supported`);
}

function keyPair(config: TlsCertificate, name: string): KeyPair {
  const chain = loadData(config.certificateChain);
  const keyData = loadData(config.privateKey);
  if (chain === undefined || keyData === undefined)
    throw new Error(
      `Failed to load incomplete certificate from ${chain?.path ?? ""}: certificate chain and private key must be set`,
    );
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(chain.bytes);
  } catch {
    throw new Error(`Failed to load certificate chain from ${chain.path}`);
  }
  const password = loadData(config.password)?.bytes.toString();
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: keyData.bytes, ...(password !== undefined && { passphrase: password }) });
  } catch (error) {
    throw new Error(`Failed to load private key from ${keyData.path}, Cause: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (!leaf.checkPrivateKey(key))
    throw new Error(
      `Failed to load private key from ${keyData.path}, Cause: error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH`,
    );
  const bits = leaf.publicKey.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < LEAST_RSA_BITS)
    throw new Error(
      `Failed to load certificate chain from ${chain.path}, only RSA certificates with ${LEAST_RSA_BITS}-bit or larger keys are supported`,
    );
  return { name, chain, leaf, key: keyData.bytes, password, keyType: key.asymmetricKeyType ?? "" };
}

interface Trust {
  /** Written in place; with `sds` it is what the secret is put over. */
  readonly config: ValidationContext | undefined;
  readonly sds: SdsConfig | undefined;
}

function trustOf({ validationContextType: type }: CommonTlsContext): Trust {
  switch (type.case) {
    case undefined:
      return { config: undefined, sds: undefined };
    case "validationContext":
      return { config: type.value, sds: undefined };
    case "validationContextSdsSecretConfig":
      return { config: undefined, sds: type.value };
    case "combinedValidationContext": {
      const { defaultValidationContext: config, validationContextSdsSecretConfig: sds } = type.value;
      if (sds === undefined)
        throw new Error("combined_validation_context needs a validation_context_sds_secret_config");
      return { config, sds };
    }
    default:
      throw new Error(`${type.case} is not supported`);
  }
}

function discoveredValidation(
  name: string,
  { type }: Secret,
  base: ValidationContext | undefined,
  watched: Set<string>,
): Validation {
  if (type.case !== "validationContext") throw new Error(`secret "${name}" is not a validation_context`);
  for (const source of [type.value.trustedCa, type.value.crl]) watchFile(source, watched);
  // What the secret says wins; lists add up, as when protobuf messages are merged.
  const merged =
    base === undefined
      ? type.value
      : {
          ...base,
          trustedCa: type.value.trustedCa ?? base.trustedCa,
          crl: type.value.crl ?? base.crl,
          watchedDirectory: type.value.watchedDirectory ?? base.watchedDirectory,
          verifyCertificateSpki: [...base.verifyCertificateSpki, ...type.value.verifyCertificateSpki],
          verifyCertificateHash: [...base.verifyCertificateHash, ...type.value.verifyCertificateHash],
          matchTypedSubjectAltNames: [
            ...base.matchTypedSubjectAltNames,
            ...type.value.matchTypedSubjectAltNames,
          ],
          matchSubjectAltNames: [...base.matchSubjectAltNames, ...type.value.matchSubjectAltNames],
          trustChainVerification: type.value.trustChainVerification || base.trustChainVerification,
        };
  return validation(merged, name, watched);
}

function validation(config: ValidationContext, name: string, watched: Set<string>): Validation {
  watch(config.watchedDirectory?.path, watched);
  for (const source of [config.trustedCa, config.crl]) watch(source?.watchedDirectory?.path, watched);
  const trustedCa = loadData(config.trustedCa);
  if (trustedCa !== undefined) {
    try {
      void new X509Certificate(trustedCa.bytes);
    } catch {
      throw new Error(`Failed to load trusted CA certificates from ${trustedCa.path}`);
    }
  }
  return { name, config, trustedCa, crl: loadData(config.crl) };
}

function watch(directory: string | undefined, watched: Set<string>): void {
  if (directory !== undefined && directory !== "") watched.add(directory);
}

function watchFile(source: Parameters<typeof pathOf>[0], watched: Set<string>): void {
  const path = pathOf(source);
  if (path !== undefined) watched.add(source?.watchedDirectory?.path ?? dirname(path));
}
