import { X509Certificate, createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { LoadError, loadMessage } from "../../proto/load.ts";
import { configTypeName, unpackAs } from "../../proto/registry.ts";
import type { Messages } from "../../proto/messages.d.ts";
import { reportUnsupported } from "../../proto/unsupported.ts";
import { tlsLedger } from "./tls-ledger.ts";
import { loadData, pathOf, type LoadedData } from "./data-source.ts";

type CommonTlsContext = Messages["envoy.extensions.transport_sockets.tls.v3.CommonTlsContext"];
type TlsCertificate = Messages["envoy.extensions.transport_sockets.tls.v3.TlsCertificate"];
type ValidationContext = Messages["envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext"];
type SdsConfig = Messages["envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"];
type Secret = Messages["envoy.extensions.transport_sockets.tls.v3.Secret"];

const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";
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

/** Reads all certificates and secrets. Throws an Error that says which cannot be used and why. */
export function loadTlsMaterial(common: CommonTlsContext | undefined): TlsMaterial {
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
  for (const sds of common.tlsCertificateSdsSecretConfigs) {
    const { type } = secretOf(sds, watched);
    if (type.case !== "tlsCertificate") throw new Error(`secret "${sds.name}" is not a tls_certificate`);
    for (const source of [type.value.certificateChain, type.value.privateKey]) watchFile(source, watched);
    watch(type.value.watchedDirectory?.path, watched);
    keyPairs.push(keyPair(type.value, sds.name));
  }
  const validation = validationOf(common, watched);
  const discovered =
    common.tlsCertificateSdsSecretConfigs.length > 0 ||
    common.validationContextType.case === "validationContextSdsSecretConfig" ||
    common.validationContextType.case === "combinedValidationContext";
  return { keyPairs, validation, watched, discovered };
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

function validationOf(common: CommonTlsContext, watched: Set<string>): Validation | undefined {
  const type = common.validationContextType;
  switch (type.case) {
    case undefined:
      return undefined;
    case "validationContext":
      return validation(type.value, "", watched);
    case "validationContextSdsSecretConfig":
      return discoveredValidation(type.value, undefined, watched);
    case "combinedValidationContext": {
      const { defaultValidationContext, validationContextSdsSecretConfig } = type.value;
      if (validationContextSdsSecretConfig === undefined)
        throw new Error("combined_validation_context needs a validation_context_sds_secret_config");
      return discoveredValidation(validationContextSdsSecretConfig, defaultValidationContext, watched);
    }
    default:
      throw new Error(`${type.case} is not supported`);
  }
}

function discoveredValidation(
  sds: SdsConfig,
  base: ValidationContext | undefined,
  watched: Set<string>,
): Validation {
  const { type } = secretOf(sds, watched);
  if (type.case !== "validationContext") throw new Error(`secret "${sds.name}" is not a validation_context`);
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
  return validation(merged, sds.name, watched);
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

/** Reads a secret from its file: a DiscoveryResponse in YAML or JSON. */
function secretOf(sds: SdsConfig, watched: Set<string>): Secret {
  const source = sds.sdsConfig?.configSourceSpecifier;
  if (source?.case !== "pathConfigSource" && source?.case !== "path")
    throw new Error(
      `secret "${sds.name}": sds_config must have a path_config_source; ${source?.case === undefined ? "static secrets" : "secrets by gRPC, ADS or REST"} are not supported`,
    );
  const path = source.case === "path" ? source.value : source.value.path;
  watch(
    source.case === "path" ? dirname(path) : (source.value.watchedDirectory?.path ?? dirname(path)),
    watched,
  );
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`secret "${sds.name}": unable to read file: ${path}`, { cause: error });
  }
  const loaded = loadMessage("envoy.service.discovery.v3.DiscoveryResponse", text, { file: path });
  if (loaded.message === undefined) throw new LoadError(loaded.problems);
  const secrets = loaded.message.resources
    .filter((any) => configTypeName(any) === SECRET)
    .map((any) => unpackAs(any, SECRET));
  const found = secrets.find(({ name }) => name === sds.name);
  if (found === undefined) throw new Error(`secret "${sds.name}" is not in ${path}`);
  // A check of the peer that is asked for but not made would let anybody in.
  const [unsupported] = reportUnsupported(found, [tlsLedger]);
  if (unsupported !== undefined) throw new Error(`secret "${sds.name}" in ${path}: ${unsupported.message}`);
  return found;
}

function watch(directory: string | undefined, watched: Set<string>): void {
  if (directory !== undefined && directory !== "") watched.add(directory);
}

function watchFile(source: Parameters<typeof pathOf>[0], watched: Set<string>): void {
  const path = pathOf(source);
  if (path !== undefined) watched.add(source?.watchedDirectory?.path ?? dirname(path));
}
