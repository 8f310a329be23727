import { createServer, type AddressInfo, type Server } from "node:net";
import type { HeaderMap } from "../http/header-map.ts";
import { H2ClientCodec } from "../http/h2/client-codec.ts";
import {
  DEFAULT_H2_CLIENT_OPTIONS,
  DEFAULT_H2_SERVER_OPTIONS,
  type H2ClientOptions,
  type H2ServerOptions,
} from "../http/h2/options.ts";
import { H2ServerCodec } from "../http/h2/server-codec.ts";
import type { CodecStream, StreamHandler } from "../http/stream.ts";
import { Connection, type ConnectionHandler } from "../net/connection.ts";
import { NetContext } from "../net/net-context.ts";

/** One accepted connection of `startH2Server`. */
export interface H2Serving {
  readonly codec: H2ServerCodec;
  readonly connection: Connection;
}

/** An HTTP/2 server on a free port, built on our codec without the rest of the proxy. */
export interface H2TestServer {
  readonly port: number;
  readonly connections: H2Serving[];
  /** Reasons of `onClose`, in order. */
  readonly closes: string[];
  stop(): Promise<void>;
}

/** Starts one; `begin` says who handles each request. */
export async function startH2Server(
  begin: (stream: CodecStream) => StreamHandler,
  options: Partial<H2ServerOptions> = {},
): Promise<H2TestServer> {
  const context = new NetContext();
  const connections: H2Serving[] = [];
  const closes: string[] = [];
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const handler: ConnectionHandler = {
      onConnect() {},
      onBytes: (bytes, start, end) => codec.feed(bytes, start, end),
      onEnd: () => codec.onEnd(),
      onDrain: () => codec.onDrain(),
      onClose: (error) => codec.onConnectionClosed(error),
    };
    const connection = Connection.accept(socket, context, handler);
    const codec: H2ServerCodec = new H2ServerCodec(
      connection,
      {
        onStream: begin,
        onClose: (reason) => {
          closes.push(reason);
          connection.close();
        },
      },
      { ...DEFAULT_H2_SERVER_OPTIONS, ...options },
    );
    connections.push({ codec, connection });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    closes,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const { connection } of connections) connection.destroy();
      }),
  };
}

/** A client connection built on our codec. */
export interface H2TestClient {
  readonly codec: H2ClientCodec;
  readonly connection: Connection;
  /** "idle" and the reasons of `onUnusable`, in order. */
  readonly events: string[];
}

/** Connects to a port of this machine. */
export async function connectH2(port: number, options: Partial<H2ClientOptions> = {}): Promise<H2TestClient> {
  const events: string[] = [];
  const connected = Promise.withResolvers<void>();
  const handler: ConnectionHandler = {
    onConnect: () => connected.resolve(),
    onBytes: (bytes, start, end) => codec.feed(bytes, start, end),
    onEnd: () => codec.onEnd(),
    onDrain: () => codec.onDrain(),
    onClose: (error) => {
      codec.onConnectionClosed(error);
      connected.reject(new Error(`Cannot connect: ${error}`));
    },
  };
  const connection = Connection.connect({ host: "127.0.0.1", port }, new NetContext(), handler);
  const codec = new H2ClientCodec(
    connection,
    {
      onIdle: () => void events.push("idle"),
      onUnusable: (reason) => {
        events.push(reason);
        if (codec.activeStreams === 0) connection.close();
      },
    },
    { ...DEFAULT_H2_CLIENT_OPTIONS, ...options },
  );
  await connected.promise;
  return { codec, connection, events };
}

/** Answers each request with its own headers, body and trailers, as far as back-pressure lets it. */
export class Echo implements StreamHandler {
  readonly #stream: CodecStream;

  constructor(stream: CodecStream) {
    this.#stream = stream;
  }

  onInterim(): void {}

  onHeaders(headers: HeaderMap, end: boolean): void {
    headers.status = 200;
    headers.add("x-method", headers.method);
    this.#stream.headers(headers, end && headers.method !== "HEAD");
    if (end && headers.method === "HEAD") this.#stream.data(Buffer.alloc(0), true);
    headers.release();
  }

  onData(chunk: Buffer, end: boolean): void {
    if (!this.#stream.data(chunk, end)) this.#stream.pause();
  }

  onTrailers(trailers: HeaderMap): void {
    this.#stream.trailers(trailers);
    trailers.release();
  }

  onReset(): void {}
  onCodecError(): void {}

  onDrain(): void {
    this.#stream.resume();
  }
}
