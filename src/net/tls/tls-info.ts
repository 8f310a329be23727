import type { TLSSocket } from "node:tls";
import { CertificateFacts } from "./certificate-facts.ts";

/** What is known of the TLS side of a connection after its handshake. Taken once, since closed sockets tell nothing. */
export class TlsInfo {
  /** "TLSv1.3" */
  readonly version: string;
  /** OpenSSL's name, which is also Envoy's. */
  readonly cipher: string;
  /** Name that the client asked for; "" if none. */
  readonly serverName: string;
  /** Protocol agreed on by ALPN; "" if none. */
  readonly alpn: string;
  readonly reused: boolean;
  /** The peer's certificate, if it showed one. */
  readonly peer: CertificateFacts | undefined;
  /** Our certificate, if we showed one. */
  readonly local: CertificateFacts | undefined;
  /** The peer's certificate passed all checks that are configured. */
  readonly peerValidated: boolean;
  readonly #session: Buffer | undefined;

  constructor(
    socket: TLSSocket,
    sides: {
      readonly serverName: string;
      readonly peer: CertificateFacts | undefined;
      readonly local: CertificateFacts | undefined;
      readonly peerValidated: boolean;
    },
  ) {
    this.version = socket.getProtocol() ?? "";
    this.cipher = socket.getCipher()?.name ?? "";
    this.serverName = sides.serverName;
    this.alpn = typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : "";
    this.reused = socket.isSessionReused();
    this.peer = sides.peer;
    this.local = sides.local;
    this.peerValidated = sides.peerValidated;
    // Sessions of TLS 1.3 have no id.
    this.#session = this.version === "TLSv1.3" ? undefined : socket.getSession();
  }

  /** Lower-case hex; "" when the session has no id. */
  get sessionId(): string {
    return this.#session === undefined ? "" : sessionId(this.#session);
  }
}

/** First elements of OpenSSL's SSL_SESSION_ASN1: version 1, and the start of a TLS version. */
const SESSION_START = Buffer.from([0x02, 0x01, 0x01, 0x02, 0x02, 0x03]);

/**
 * The fourth element of SSL_SESSION_ASN1: SEQUENCE { version, protocol, cipher, session id, … }. Node may put a note of
 * the server's name in front.
 */
function sessionId(session: Buffer): string {
  const start = session.indexOf(SESSION_START);
  // After the protocol come the cipher, two bytes long, and the id, at most 32.
  const at = start + 3 + 4 + 4;
  const length = session[at + 1];
  if (start < 0 || session[at] !== 0x04 || length === undefined || length > 32) return "";
  return session.toString("hex", at + 2, at + 2 + length);
}
