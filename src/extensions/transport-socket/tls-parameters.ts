import { getCiphers, type SecureContextOptions, type SecureVersion } from "node:tls";
import type { Messages } from "../../proto/messages.d.ts";

type TlsParameters = Messages["envoy.extensions.transport_sockets.tls.v3.TlsParameters"];

/** By TlsProtocol; 0 is TLS_AUTO. */
const VERSIONS: readonly (SecureVersion | undefined)[] = [
  undefined,
  "TLSv1",
  "TLSv1.1",
  "TLSv1.2",
  "TLSv1.3",
];

/** Not configurable, as in Envoy. */
const TLS13_SUITES = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
const DEFAULT_SUITES = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
];
/** The hybrid post-quantum group came with OpenSSL 3.5, as choosing key shares did. */
const HAS_HYBRID_GROUPS = versionAtLeast(process.versions.openssl, 3, 5);
const DEFAULT_CURVES = [...(HAS_HYBRID_GROUPS ? ["X25519MLKEM768"] : []), "X25519", "P-256"];

/** Versions, suites, curves and signature algorithms as Node takes them. Throws an Error with Envoy's text. */
export function tlsParameters(
  config: TlsParameters | undefined,
  defaultMaximum: SecureVersion,
): SecureContextOptions {
  const minVersion = VERSIONS[config?.tlsMinimumProtocolVersion ?? 0] ?? "TLSv1.2";
  const maxVersion = VERSIONS[config?.tlsMaximumProtocolVersion ?? 0] ?? defaultMaximum;
  if (VERSIONS.indexOf(minVersion) > VERSIONS.indexOf(maxVersion))
    throw new Error(`tls_minimum_protocol_version ${minVersion} is above the maximum version ${maxVersion}`);
  const suites = cipherSuites(config?.cipherSuites ?? []);
  const curves = config?.ecdhCurves.length ? config.ecdhCurves : DEFAULT_CURVES;
  // OpenSSL takes the two oldest versions at this level only.
  const level = VERSIONS.indexOf(minVersion) < 3 ? ":@SECLEVEL=0" : "";
  return {
    minVersion,
    maxVersion,
    ciphers: `${TLS13_SUITES}:${suites.join(":")}${level}`,
    ecdhCurve: groupList(curves),
    ...(config?.signatureAlgorithms.length && { sigalgs: config.signatureAlgorithms.join(":") }),
  };
}

/**
 * A client sends a key share for the first group and, if that is a hybrid, for the first of the others, so that servers
 * without post-quantum groups need no second round trip; as BoringSSL.
 */
function groupList(curves: readonly string[]): string {
  if (!HAS_HYBRID_GROUPS) return curves.join(":");
  const classical = isHybrid(curves[0]!) ? curves.find((curve) => !isHybrid(curve)) : undefined;
  return curves.map((curve, i) => (i === 0 || curve === classical ? `*${curve}` : curve)).join(":");
}

function isHybrid(curve: string): boolean {
  return curve.includes("MLKEM");
}

function versionAtLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/** "[A|B]" is a group of equals in BoringSSL; OpenSSL has an order only. */
function cipherSuites(configured: readonly string[]): string[] {
  if (configured.length === 0) return DEFAULT_SUITES;
  const known = new Set(getCiphers());
  const names = configured.flatMap((entry) => entry.replace(/^\[|\]$/g, "").split(/[|:]/));
  const unknown = names.filter((name) => !/^[-!+@]/.test(name) && !known.has(name.toLowerCase()));
  if (unknown.length > 0)
    throw new Error(
      `Failed to initialize cipher suites ${configured.join(":")}. The following ciphers were rejected when tried individually: ${unknown.join(", ")}`,
    );
  return names;
}
