import { connect as tlsConnect } from "node:tls";
import type {
  AsyncStream,
  AsyncStreamHandler,
  AsyncStreamRequest,
  AsyncStreams,
} from "../http/async-stream.ts";
import { H2ClientCodec } from "../http/h2/client-codec.ts";
import { DEFAULT_H2_CLIENT_OPTIONS } from "../http/h2/options.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { ClientCodecHandler, CodecStream, ResetReason, StreamHandler } from "../http/stream.ts";
import { Connection, type ConnectionHandler } from "../net/connection.ts";
import { NetContext } from "../net/net-context.ts";
import { TlsInfo } from "../net/tls/tls-info.ts";

/** PEM texts; a channel with them speaks TLS. */
export interface ChannelTls {
  /** Whom to trust; Node's own when left out. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name to expect in the server's certificate; default: the host. */
  readonly servername?: string | undefined;
  readonly insecure?: boolean;
}

/**
 * One HTTP/2 connection to one address, for programs that have no clusters. It is opened when the first exchange begins,
 * and again when it is gone or the server says goodbye. The cluster that an exchange names does not matter.
 */
export class GrpcChannel implements AsyncStreams {
  readonly #host: string;
  readonly #port: number;
  readonly #tls: ChannelTls | undefined;
  readonly #net = new NetContext();
  #link: Link | undefined;

  constructor(host: string, port: number, tls?: ChannelTls) {
    this.#host = host;
    this.#port = port;
    this.#tls = tls;
  }

  open(request: AsyncStreamRequest, handler: AsyncStreamHandler): AsyncStream {
    if (this.#link === undefined || !this.#link.usable) this.#link = this.#connect();
    const exchange = new Exchange(handler, request.timeout);
    exchange.begin(this.#link.codec.newStream(exchange), request.headers, request.end);
    return exchange;
  }

  /** Ends the connection; exchanges in progress fail. */
  close(): void {
    this.#link?.connection.destroy();
    this.#link = undefined;
  }

  #connect(): Link {
    const [host, port] = [this.#host, this.#port];
    return new Link((handler) => {
      if (this.#tls === undefined) return Connection.connect({ host, port }, this.#net, handler);
      const { ca, cert, key, servername = host, insecure = false } = this.#tls;
      const socket = tlsConnect({
        host,
        port,
        ca,
        cert,
        key,
        servername,
        rejectUnauthorized: !insecure,
        ALPNProtocols: ["h2"],
      });
      const sides = { serverName: servername, peer: undefined, local: undefined, peerValidated: !insecure };
      const settle = () =>
        socket.alpnProtocol === "h2" ? new TlsInfo(socket, sides) : "the server does not speak HTTP/2";
      return Connection.overTls(socket, settle, this.#net, handler);
    });
  }
}

/** A connection and its codec. */
class Link implements ConnectionHandler, ClientCodecHandler {
  readonly connection: Connection;
  readonly codec: H2ClientCodec;
  #retired = false;

  constructor(open: (handler: ConnectionHandler) => Connection) {
    this.connection = open(this);
    this.codec = new H2ClientCodec(this.connection, this, DEFAULT_H2_CLIENT_OPTIONS);
  }

  get usable(): boolean {
    return !this.#retired && this.codec.availableStreams > 0;
  }

  onConnect(): void {
    // What was written meanwhile is on its way.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.codec.feed(bytes, start, end);
  }

  onEnd(): void {
    this.#retired = true;
    this.codec.onEnd();
    this.connection.close();
  }

  onDrain(): void {
    this.codec.onDrain();
  }

  onClose(error: string): void {
    this.#retired = true;
    this.codec.onConnectionClosed(error);
  }

  onIdle(): void {
    if (this.#retired && this.codec.activeStreams === 0) this.connection.close();
  }

  onUnusable(): void {
    this.#retired = true;
    if (this.codec.activeStreams === 0) this.connection.close();
  }
}

/** One exchange on a stream of the connection. */
class Exchange implements AsyncStream, StreamHandler {
  readonly #handler: AsyncStreamHandler;
  readonly #timer: NodeJS.Timeout | undefined;
  #stream!: CodecStream;
  #over = false;

  constructor(handler: AsyncStreamHandler, timeout: number) {
    this.#handler = handler;
    if (timeout > 0) this.#timer = setTimeout(() => this.#expire(timeout), timeout);
  }

  begin(stream: CodecStream, headers: HeaderMap, end: boolean): void {
    this.#stream = stream;
    stream.headers(headers, end);
    headers.release();
  }

  data(chunk: Buffer, end: boolean): boolean {
    return this.#over || this.#stream.data(chunk, end);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(): void {
    if (!this.#settle()) return;
    this.#stream.reset("local-reset");
  }

  onInterim(_status: number, headers: HeaderMap): void {
    headers.release();
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    if (end) this.#settle();
    this.#handler.onHeaders(headers, end);
  }

  onData(chunk: Buffer, end: boolean): void {
    if (end) this.#settle();
    this.#handler.onData(chunk, end);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#settle();
    this.#handler.onTrailers(trailers);
  }

  onReset(reason: ResetReason, detail: string): void {
    if (this.#settle()) this.#handler.onFailure("reset", detail || reason);
  }

  onCodecError(): void {
    // Only server codecs refuse messages this way.
  }

  onDrain(): void {
    this.#handler.onDrain();
  }

  #expire(timeout: number): void {
    if (!this.#settle()) return;
    this.#stream.reset("local-reset");
    this.#handler.onFailure("timeout", `no answer within ${timeout} ms`);
  }

  /** Returns whether the exchange was still going on. */
  #settle(): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearTimeout(this.#timer);
    return true;
  }
}
