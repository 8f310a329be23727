import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { systemClock, type Clock } from "../base/clock.ts";
import { listenError } from "../base/listen-error.ts";
import { TimerWheel } from "../base/timer-wheel.ts";
import { DEFAULT_H2_SERVER_OPTIONS, type H2ServerOptions } from "../http/h2/options.ts";
import { NetContext } from "../net/net-context.ts";
import { CertificateFacts } from "../net/tls/certificate-facts.ts";
import { ServerHandshakes } from "../net/tls/server-handshakes.ts";
import { ServerConnection, type ConnectionOwner } from "./server-connection.ts";
import type { GrpcCall, GrpcMethod } from "./server-method.ts";
import type { GrpcStatus } from "./status.ts";

/** Certificate and key of a server, in PEM. */
export interface GrpcServerTls {
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate of one of these authorities; without, none is asked for. */
  readonly ca?: string;
}

export interface GrpcServerOptions {
  /** Longest message that is accepted, in bytes. */
  readonly maxMessage?: number;
  /** Age at which a connection is drained, in milliseconds; a tenth of it is added or taken at random; 0 = never. */
  readonly maxConnectionAge?: number;
  /** Milliseconds that calls have to end by themselves once their connection drains. */
  readonly grace?: number;
  /** Milliseconds between PINGs; 0 for none. */
  readonly keepaliveInterval?: number;
  /** Milliseconds that the answer to a PING may take. */
  readonly keepaliveTimeout?: number;
  /** Asked about each call: the status with which it is refused, or undefined. */
  readonly admit?: (call: GrpcCall) => GrpcStatus | undefined;
  /** Told of TLS handshakes that fail. */
  readonly onTlsFailure?: (address: string, reason: string) => void;
  readonly clock?: Clock;
}

const DEFAULT_MAX_MESSAGE = 4 * 1024 * 1024;
const DEFAULT_GRACE = 5000;
const DEFAULT_KEEPALIVE = 30_000;
const DEFAULT_KEEPALIVE_TIMEOUT = 10_000;
const HANDSHAKE_TIMEOUT = 10_000;
/** Between the two GOAWAYs of a drain: what a client has sent before it read the first one arrives by then. */
const GOAWAY_GAP = 250;
/** Connections that wait to be accepted: all clients of a control plane come at once after a restart. */
const BACKLOG = 4096;
/** Messages to a server are small; a window of this size is announced per stream and connection. */
const WINDOW = 1024 * 1024;

/**
 * A gRPC server over our own HTTP/2 codec: made for many long streams that are sent the same bytes. Methods are found by
 * path. Not supported: compression (clients are told so by status).
 */
export class GrpcServer implements ConnectionOwner {
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly context: NetContext = new NetContext();
  readonly http2: H2ServerOptions;
  readonly maxMessage: number;
  readonly grace: number;
  readonly #options: GrpcServerOptions;
  readonly #methods = new Map<string, GrpcMethod>();
  readonly #connections = new Set<ServerConnection>();
  readonly #handshaking = new Set<Socket>();
  readonly #server: Server;
  #handshakes: ServerHandshakes | undefined;
  #drained: (() => void) | undefined;

  constructor(options: GrpcServerOptions = {}) {
    this.#options = options;
    this.clock = options.clock ?? systemClock;
    this.wheel = new TimerWheel(this.clock);
    this.maxMessage = options.maxMessage ?? DEFAULT_MAX_MESSAGE;
    this.grace = options.grace ?? DEFAULT_GRACE;
    const interval = options.keepaliveInterval ?? DEFAULT_KEEPALIVE;
    this.http2 = {
      ...DEFAULT_H2_SERVER_OPTIONS,
      initialStreamWindowSize: WINDOW,
      initialConnectionWindowSize: WINDOW,
      drainTimeout: GOAWAY_GAP,
      connectionKeepalive: {
        interval,
        timeout: options.keepaliveTimeout ?? DEFAULT_KEEPALIVE_TIMEOUT,
        jitterPercent: 15,
        idleInterval: 0,
      },
    };
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Adds a method by its path, "/pkg.Service/Method". */
  register(path: string, method: GrpcMethod): void {
    this.#methods.set(path, method);
  }

  /** Connections accepted from now on speak TLS with these. Throws an Error for PEM that makes no sense. */
  setTls({ cert, key, ca }: GrpcServerTls): void {
    this.#handshakes = new ServerHandshakes(
      {
        cert,
        key,
        minVersion: "TLSv1.2",
        ALPNProtocols: ["h2"],
        ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: true }),
      },
      undefined,
      HANDSHAKE_TIMEOUT,
      () => {},
    );
  }

  /** Starts to listen; returns the port. Throws when it is taken. */
  async listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ host, port, backlog: BACKLOG }, resolve);
    try {
      await promise;
    } catch (error) {
      throw listenError(host, port, error);
    }
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Takes no more connections and drains those that are open, each at a random moment of the next `spread` milliseconds, so
   * that not all clients come back at once elsewhere. Returns when all are gone, `grace` after the last at the latest.
   */
  async drain(spread = 0, grace = this.grace): Promise<void> {
    this.#server.close();
    for (const socket of this.#handshaking) socket.destroy();
    if (this.#connections.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    for (const connection of this.#connections) connection.drain(Math.random() * spread, grace);
    await promise;
  }

  /** Ends everything at once. */
  close(): void {
    this.#server.close();
    for (const socket of this.#handshaking) socket.destroy();
    for (const connection of this.#connections) connection.destroy();
  }

  method(path: string): GrpcMethod | undefined {
    return this.#methods.get(path);
  }

  refusal(call: GrpcCall): GrpcStatus | undefined {
    return this.#options.admit?.(call);
  }

  onConnectionClosed(connection: ServerConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#drained?.();
  }

  #accept(socket: Socket): void {
    const address = addressOf(socket);
    if (this.#handshakes === undefined) return this.#open(socket, socket, address);
    this.#handshaking.add(socket);
    const done = () => this.#handshaking.delete(socket);
    socket.once("close", done);
    this.#handshakes.start(socket, {
      onSecure: (secure, verdict) => {
        done();
        // Clients that agree on no protocol by ALPN speak HTTP/2 all the same, as Envoy does unless it is told otherwise.
        this.#open(secure, socket, address, verdict === "" ? certificateOf(secure) : undefined);
      },
      onFailed: (error, timedOut) => {
        done();
        this.#options.onTlsFailure?.(address, timedOut ? "the handshake took too long" : error.message);
      },
    });
  }

  #open(socket: Socket, raw: Socket, address: string, certificate?: CertificateFacts): void {
    const connection = new ServerConnection(socket, raw, { address, certificate }, this);
    this.#connections.add(connection);
    const { maxConnectionAge = 0 } = this.#options;
    if (this.#drained !== undefined) connection.drain(0);
    else if (maxConnectionAge > 0) connection.drain(maxConnectionAge * (0.9 + 0.2 * Math.random()));
  }
}

function certificateOf(socket: TLSSocket): CertificateFacts | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : new CertificateFacts(certificate);
}

function addressOf({ remoteAddress = "", remotePort = 0 }: Socket): string {
  return remoteAddress.includes(":") ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
