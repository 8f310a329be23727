import type { NetConnectOpts } from "node:net";
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
}

/** Opens a TLS connection. The certificate is not checked here: that is for who waits for "secureConnect". */
export function startClientHandshake(target: NetConnectOpts, options: ClientHandshakeOptions): TLSSocket {
  const { context, serverName, alpn, session } = options;
  const settings: ConnectionOptions = {
    ...(target as ConnectionOptions),
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

/** OpenSSL's code for the peer's chain, "" when it is trusted. */
export function chainVerdict(socket: TLSSocket): string {
  const error = socket.authorizationError as unknown;
  if (error === null || error === undefined) return "";
  return error instanceof Error ? error.message : typeof error === "string" ? error : "";
}
