import { connect as connectTcp, type NetConnectOpts, type Socket } from "node:net";
import { connect, type ConnectionOptions, type SecureContext, type TLSSocket } from "node:tls";

/** What an outgoing TLS connection is opened with. */
export interface ClientHandshakeOptions {
  readonly context: SecureContext;
  /** "" sends none. */
  readonly serverName: string;
  /** Empty sends none. */
  readonly alpn: readonly string[];
  /** Session to resume, if any. */
  readonly session: Buffer | undefined;
  /** Goes before the handshake. */
  readonly preamble?: Buffer | undefined;
}

/** Opens a TLS connection. The certificate is not checked here: that is for who waits for "secureConnect". */
export function startClientHandshake(target: NetConnectOpts, options: ClientHandshakeOptions): TLSSocket {
  const { context, serverName, alpn, session, preamble } = options;
  const settings: ConnectionOptions = {
    ...(preamble === undefined ? (target as ConnectionOptions) : { socket: beginWith(preamble, target) }),
    ...({ allowHalfOpen: true } as object),
    secureContext: context,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(serverName !== "" && { servername: serverName }),
    ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
    ...(session !== undefined && { session }),
  };
  const socket = connect(settings);
  socket.setNoDelay(true);
  return socket;
}

function beginWith(preamble: Buffer, target: NetConnectOpts): Socket {
  const socket = connectTcp({ ...target, noDelay: true, allowHalfOpen: true });
  socket.write(preamble);
  return socket;
}

/** OpenSSL's code for the peer's chain, "" when it is trusted. */
export function chainVerdict(socket: TLSSocket): string {
  const error = socket.authorizationError as unknown;
  if (error === null || error === undefined) return "";
  return error instanceof Error ? error.message : typeof error === "string" ? error : "";
}
