// Certificates for tests, made on the spot: X.509 v3 (RFC 5280) in DER, by hand, since node:crypto only reads them.
import { generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from "node:crypto";

/** A certificate with its key, both in PEM, ready to be issuer of others. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  readonly subject: Buffer;
  readonly privateKey: KeyObject;
}

export interface TestCertificateOptions {
  /** Common name. */
  readonly name: string;
  /** As "DNS:a.example", "URI:spiffe://…", "IP:127.0.0.1". */
  readonly names?: readonly string[];
  /** Self-signed when absent. */
  readonly issuer?: TestCertificate;
  readonly ca?: boolean;
  readonly keyType?: "ec" | "rsa";
  /** Milliseconds since the epoch; by default from a day ago to in ten days. */
  readonly from?: number;
  readonly to?: number;
}

const DAY = 86_400_000;
const OID = {
  commonName: "0603550403",
  subjectAltName: "0603551d11",
  basicConstraints: "0603551d13",
  ecdsaSha256: "06082a8648ce3d040302",
  rsaSha256: "06092a864886f70d01010b",
} as const;

/** Makes a certificate. */
export function makeCertificate(options: TestCertificateOptions): TestCertificate {
  const { privateKey, publicKey } =
    options.keyType === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = sequence(der(0x31, sequence(hex(OID.commonName), der(0x0c, Buffer.from(options.name)))));
  const signer = options.issuer?.privateKey ?? privateKey;
  const algorithm = sequence(
    hex(signer.asymmetricKeyType === "rsa" ? `${OID.rsaSha256}0500` : OID.ecdsaSha256),
  );
  const serial = randomBytes(8);
  serial[0] = 0x11;
  const now = Date.now();
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    options.issuer?.subject ?? subject,
    sequence(time(options.from ?? now - DAY), time(options.to ?? now + 10 * DAY)),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions(options))),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", body, signer)]));
  return {
    cert: pem("CERTIFICATE", sequence(body, algorithm, signature)),
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    subject,
    privateKey,
  };
}

/** A list (RFC 5280 section 5) by which an issuer revokes certificates, in PEM. */
export function makeRevocationList(issuer: TestCertificate, revoked: readonly TestCertificate[]): string {
  const now = Date.now();
  const algorithm = sequence(hex(OID.ecdsaSha256));
  const entries = revoked.map(({ cert }) => {
    const serial = hex(new X509Certificate(cert).serialNumber);
    return sequence(der(0x02, serial), time(now - DAY));
  });
  const body = sequence(
    der(0x02, Buffer.from([1])),
    algorithm,
    issuer.subject,
    time(now - DAY),
    time(now + 10 * DAY),
    sequence(...entries),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", body, issuer.privateKey)]));
  return pem("X509 CRL", sequence(body, algorithm, signature));
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes
    .toString("base64")
    .match(/.{1,64}/g)!
    .join("\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

function extensions({ names = [], ca = false }: TestCertificateOptions): Buffer[] {
  const found: Buffer[] = [];
  if (ca) {
    const constraints = sequence(der(0x01, Buffer.from([0xff])));
    found.push(sequence(hex(OID.basicConstraints), der(0x01, Buffer.from([0xff])), der(0x04, constraints)));
  }
  if (names.length > 0)
    found.push(sequence(hex(OID.subjectAltName), der(0x04, sequence(...names.map(generalName)))));
  return found;
}

function generalName(text: string): Buffer {
  const colon = text.indexOf(":");
  const value = text.slice(colon + 1);
  switch (text.slice(0, colon)) {
    case "DNS":
      return der(0x82, Buffer.from(value));
    case "URI":
      return der(0x86, Buffer.from(value));
    case "EMAIL":
      return der(0x81, Buffer.from(value));
    default:
      return der(0x87, Buffer.from(value.split(".").map(Number)));
  }
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return der(0x18, Buffer.from(text));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const length = content.length;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

function hex(text: string): Buffer {
  return Buffer.from(text, "hex");
}
