import { createHash, X509Certificate } from "node:crypto";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { makeCertificate, makeRevocationList, type TestCertificate } from "../../src/testing/certs.ts";
import { TcpClient } from "../../src/testing/tcp-client.ts";
import type { Step } from "./case.ts";

let revocations: string | undefined;
let made: Record<string, TestCertificate> | undefined;

/** Certificates that cases name: the same for both proxies, other ones in each run. */
export function certificates(): Record<string, TestCertificate> {
  if (made !== undefined) return made;
  const ca = makeCertificate({ name: "Case CA", ca: true });
  made = {
    ca,
    server: makeCertificate({ name: "server", names: ["DNS:a.example", "DNS:*.wild.example"], issuer: ca }),
    other: makeCertificate({ name: "other", names: ["DNS:b.example"], issuer: ca }),
    client: makeCertificate({
      name: "client",
      names: ["URI:spiffe://td/client", "DNS:client.local"],
      issuer: ca,
    }),
    named: makeCertificate({
      name: "named",
      names: ["DNS:client.local", "URI:spiffe://td/client", "EMAIL:client@td.example", "IP:192.0.2.7"],
      issuer: ca,
    }),
    stranger: makeCertificate({ name: "stranger", names: ["URI:spiffe://td/client"] }),
  };
  return made;
}

/** Text of `<pem:name>` and `<pem:name-key>`; undefined if there is no such certificate. `<pem:crl>` revokes "named". */
export function pemText(name: string): string | undefined {
  const { ca, named } = certificates();
  if (name === "crl") return (revocations ??= makeRevocationList(ca!, [named!]));
  const key = name.endsWith("-key");
  const found = certificates()[key ? name.slice(0, -4) : name];
  return key ? found?.key : found?.cert;
}

/** Opens a TLS connection. One whose handshake fails is a connection that ended. */
export async function connectTls(port: number, options: NonNullable<Step["tls"]>): Promise<TcpClient> {
  const socket = openTls(port, options);
  const client = new TcpClient(socket);
  await handshakeOf(socket);
  return client;
}

/** SHA-256 of a certificate in hexadecimal (`<sha256:name>`) or of its key in base64 (`<spki:name>`). */
export function certificateHash(kind: string, name: string): string | undefined {
  const found = certificates()[name];
  if (found === undefined) return undefined;
  const certificate = new X509Certificate(found.cert);
  if (kind === "sha256") return certificate.fingerprint256.replaceAll(":", "").toLowerCase();
  return createHash("sha256")
    .update(certificate.publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
}

/** A TLS connection that is being opened. */
export function openTls(port: number, options: NonNullable<Step["tls"]>): TLSSocket {
  const identity = options.certificate === undefined ? undefined : certificates()[options.certificate];
  const settings: ConnectionOptions = {
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ...(options.server_name !== undefined && { servername: options.server_name }),
    ...(options.alpn.length > 0 && { ALPNProtocols: options.alpn }),
    ...(options.version !== undefined && { minVersion: options.version, maxVersion: options.version }),
    ...(options.ciphers !== undefined && { ciphers: options.ciphers }),
    ...(options.groups !== undefined && { ecdhCurve: options.groups }),
    ...(identity !== undefined && { cert: identity.cert, key: identity.key }),
  };
  return connect(settings);
}

/** Settled when a handshake is over, well or not. */
export async function handshakeOf(socket: TLSSocket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once("secureConnect", resolve);
    socket.once("close", () => resolve());
  });
}
