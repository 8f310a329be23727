import { AsyncLocalStorage } from "node:async_hooks";
import { chainVerdict } from "./client-handshake.ts";
import type { Socket } from "node:net";
import { createServer, type SecureContext, type Server, type TLSSocket, type TlsOptions } from "node:tls";

/** An error of node:tls. */
export type TlsFailure = Error & { readonly code?: string };

/** How a handshake went; at most one of these is called, once. */
export interface HandshakeEnd {
  /** `verdict`: OpenSSL's code for the client's chain, "" when it is trusted. */
  onSecure(socket: TLSSocket, verdict: string): void;
  /** `timedOut`: the handshake took too long. The socket is gone or goes by itself. Not called when it just closed. */
  onFailed(error: TlsFailure, timedOut: boolean): void;
}

/** Longest delay of a timer: handshakes without limit. */
const NO_LIMIT = 2_147_483_647;

/**
 * Handshakes over sockets that were accepted elsewhere, with one configuration. It is a tls.Server that never listens:
 * the sockets are handed to it one by one, so that only documented interfaces are used. Which socket an answer belongs
 * to is known by the asynchronous context in which the socket was handed over.
 */
export class ServerHandshakes {
  readonly #server: Server;
  readonly #current = new AsyncLocalStorage<HandshakeEnd>();

  /**
   * @param options of the context that is used unless `contextFor` knows a better one
   * @param contextFor context by the server name that the client asks for
   * @param timeout milliseconds; 0 = no limit
   * @param onFailed sees every handshake that fails, with OpenSSL's code for the client's chain ("" if it is fine)
   */
  constructor(
    options: TlsOptions,
    contextFor: ((serverName: string) => SecureContext | undefined) | undefined,
    timeout: number,
    onFailed: (error: TlsFailure, verdict: string) => void,
  ) {
    this.#server = createServer({
      ...options,
      handshakeTimeout: timeout === 0 ? NO_LIMIT : timeout,
      ...(contextFor !== undefined && {
        SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) =>
          done(null, contextFor(name.toLowerCase())),
      }),
    });
    this.#server.on("secureConnection", (socket) => {
      socket.allowHalfOpen = true;
      this.#current.getStore()?.onSecure(socket, chainVerdict(socket));
    });
    this.#server.on("tlsClientError", (error: TlsFailure, socket) => {
      const timedOut = error.code === "ERR_TLS_HANDSHAKE_TIMEOUT";
      onFailed(error, chainVerdict(socket));
      // A socket that was refused for its chain reports that when it is closed, which is another context.
      this.#current.getStore()?.onFailed(error, timedOut);
      socket.destroy();
    });
  }

  /** Takes a socket over; what was unshifted into it is read first. The secure socket may be half-open. */
  start(socket: Socket, end: HandshakeEnd): void {
    // A client that leaves before the handshake is through, as a port check does, leaves for good.
    socket.allowHalfOpen = false;
    this.#current.run(end, () => this.#server.emit("connection", socket));
  }
}
