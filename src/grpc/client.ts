// A small gRPC client over node:http2 for the main thread: configuration streams and unary calls. HTTP/2 is loaded at the
// first call.
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { SecureContextOptions } from "node:tls";
import { FrameDecoder, encodeFrame } from "./frame.ts";
import { GRPC_STATUS, decodeGrpcMessage, statusOfHttp, type GrpcStatus } from "./status.ts";

/** Where a server is. */
export interface GrpcTarget {
  /** An IP or name; "" for a unix socket. */
  readonly host: string;
  readonly port: number;
  /** Path of a unix socket. */
  readonly path?: string;
}

export interface GrpcClientOptions {
  /** Value of :authority. */
  readonly authority: string;
  /** TLS settings; plain text without. */
  readonly tls?: SecureContextOptions & {
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
  };
  /** Milliseconds until a connection must stand. */
  readonly connectTimeout: number;
  /** Longest message that is accepted, in bytes. */
  readonly maxMessage?: number;
  /** Sent with every call. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What a stream calls. `onEnd` comes exactly once, last. */
export interface GrpcStreamHandler {
  /** The server's response headers are here. */
  onHeaders?(headers: IncomingHttpHeaders): void;
  onMessage(message: Buffer): void;
  onEnd(status: GrpcStatus): void;
}

/** A call in progress. */
export interface GrpcStream {
  /** Sends a message. Messages that cannot be written yet are kept. */
  send(message: Uint8Array): void;
  /** No more messages will be sent. */
  end(): void;
  /** Gives up; `onEnd` is not called any more. */
  cancel(): void;
}

const USER_AGENT = "grpc-weft";
const WINDOW = 16 * 1024 * 1024;
/** How often an open connection is asked whether it still lives, in milliseconds. */
const PING_INTERVAL = 30_000;

/** One HTTP/2 connection to one server, opened at the first call. After it broke, make a new client. */
export class GrpcClient {
  readonly #target: GrpcTarget;
  readonly #options: GrpcClientOptions;
  #session: Promise<ClientHttp2Session> | undefined;
  #closed = false;

  constructor(target: GrpcTarget, options: GrpcClientOptions) {
    this.#target = target;
    this.#options = options;
  }

  /**
   * Opens a stream for a method path such as "/pkg.Service/Method". Connection errors come as status 14.
   * @param deadline milliseconds until the call must have ended; undefined = none
   */
  open(path: string, handler: GrpcStreamHandler, deadline?: number): GrpcStream {
    const call = new Call(handler, this.#options.maxMessage);
    if (deadline !== undefined) call.limit(deadline);
    this.#connect().then(
      (session) => call.start(session, this.#headers(path, deadline)),
      (error: Error) => call.fail(GRPC_STATUS.unavailable, error.message),
    );
    return call;
  }

  /** One request, one response. Rejects with a GrpcError. */
  unary(path: string, request: Uint8Array, deadline: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let response: Buffer | undefined;
      const onEnd = (status: GrpcStatus): void => {
        if (status.code !== 0) reject(new GrpcError(status));
        else if (response === undefined) {
          reject(new GrpcError({ code: GRPC_STATUS.internal, message: "no message in the response" }));
        } else resolve(response);
      };
      const stream = this.open(path, { onMessage: (message) => (response = message), onEnd }, deadline);
      stream.send(request);
      stream.end();
    });
  }

  /** Closes the connection; open calls end with status 14. */
  close(): void {
    this.#closed = true;
    this.#session?.then(
      (session) => session.destroy(),
      () => undefined,
    );
  }

  #headers(path: string, deadline: number | undefined): Record<string, string> {
    return {
      ":method": "POST",
      ":scheme": this.#options.tls === undefined ? "http" : "https",
      ":path": path,
      ":authority": this.#options.authority,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": USER_AGENT,
      ...(deadline === undefined ? {} : { "grpc-timeout": `${Math.ceil(deadline)}m` }),
      ...this.#options.metadata,
    };
  }

  #connect(): Promise<ClientHttp2Session> {
    this.#session ??= this.#dial();
    return this.#session;
  }

  async #dial(): Promise<ClientHttp2Session> {
    const { connect } = await import("node:http2");
    const { tls, authority, connectTimeout } = this.#options;
    const { host, port, path } = this.#target;
    const socket =
      path === undefined ? await dial({ host, port }, connectTimeout) : await dial({ path }, connectTimeout);
    const secure = tls === undefined ? socket : await secured(socket, tls, connectTimeout);
    const session = connect(`${tls === undefined ? "http" : "https"}://${authority}`, {
      createConnection: () => secure,
      settings: { initialWindowSize: WINDOW, enablePush: false },
    });
    session.on("error", () => undefined);
    session.setLocalWindowSize(WINDOW);
    if (this.#closed) session.destroy();
    else keepAlive(session);
    return session;
  }
}

/** A call that did not end with status 0. */
export class GrpcError extends Error {
  readonly status: GrpcStatus;

  constructor(status: GrpcStatus) {
    super(`gRPC status ${status.code}: ${status.message}`);
    this.status = status;
  }
}

class Call implements GrpcStream {
  readonly #handler: GrpcStreamHandler;
  readonly #decoder: FrameDecoder;
  #stream: ClientHttp2Stream | undefined;
  #waiting: Uint8Array[] = [];
  #ending = false;
  #done = false;
  #deadline: NodeJS.Timeout | undefined;
  #status: GrpcStatus | undefined;

  constructor(handler: GrpcStreamHandler, maxMessage: number | undefined) {
    this.#handler = handler;
    this.#decoder = new FrameDecoder(maxMessage);
  }

  limit(ms: number): void {
    this.#deadline = setTimeout(
      () => this.fail(GRPC_STATUS.deadlineExceeded, `no answer within ${ms} ms`),
      ms,
    );
  }

  start(session: ClientHttp2Session, headers: Record<string, string>): void {
    if (this.#done) return;
    if (session.destroyed || session.closed)
      return this.fail(GRPC_STATUS.unavailable, "the connection is closed");
    const stream = session.request(headers);
    this.#stream = stream;
    stream.on("response", (received) => this.#onHeaders(received));
    stream.on("trailers", (trailers) => (this.#status = statusOf(trailers)));
    stream.on("data", (chunk: Buffer) => this.#onData(chunk));
    stream.on("error", (error) => this.fail(GRPC_STATUS.unavailable, error.message));
    stream.on("close", () => this.#onClose(stream.rstCode));
    for (const message of this.#waiting) stream.write(encodeFrame(message));
    this.#waiting = [];
    if (this.#ending) stream.end();
  }

  send(message: Uint8Array): void {
    if (this.#done) return;
    if (this.#stream === undefined) this.#waiting.push(message);
    else this.#stream.write(encodeFrame(message));
  }

  end(): void {
    this.#ending = true;
    this.#stream?.end();
  }

  cancel(): void {
    this.#finish();
  }

  fail(code: number, message: string): void {
    if (this.#done) return;
    this.#finish();
    this.#handler.onEnd({ code, message });
  }

  #finish(): void {
    this.#done = true;
    clearTimeout(this.#deadline);
    // NGHTTP2_CANCEL
    if (this.#stream !== undefined && !this.#stream.destroyed) this.#stream.close(8);
  }

  #onHeaders(headers: IncomingHttpHeaders): void {
    if (this.#done) return;
    // Trailers-only responses carry the status in their headers.
    if (headers["grpc-status"] !== undefined) this.#status = statusOf(headers);
    else if (headers[":status"] !== (200 as unknown as string)) {
      const status = Number(headers[":status"]);
      return this.fail(statusOfHttp(status), `HTTP status ${status}`);
    }
    this.#handler.onHeaders?.(headers);
  }

  #onData(chunk: Buffer): void {
    if (this.#done) return;
    let messages: Buffer[];
    try {
      messages = this.#decoder.push(chunk);
    } catch (error) {
      return this.fail(GRPC_STATUS.internal, (error as Error).message);
    }
    for (const message of messages) {
      if (this.#done) return;
      this.#handler.onMessage(message);
    }
  }

  #onClose(rstCode: number | undefined): void {
    if (this.#status !== undefined && rstCode === 0) this.fail(this.#status.code, this.#status.message);
    else
      this.fail(
        GRPC_STATUS.unavailable,
        rstCode ? `stream reset with HTTP/2 code ${rstCode}` : "connection closed",
      );
  }
}

function statusOf(headers: IncomingHttpHeaders): GrpcStatus {
  const code = Number(headers["grpc-status"]);
  const message = headers["grpc-message"];
  return {
    code: Number.isInteger(code) ? code : GRPC_STATUS.unknown,
    message: decodeGrpcMessage(typeof message === "string" ? message : ""),
  };
}

type Dial = { readonly host: string; readonly port: number } | { readonly path: string };

async function dial(where: Dial, timeout: number): Promise<import("node:net").Socket> {
  const { connect } = await import("node:net");
  const socket = connect({ ...where, noDelay: true });
  return established(socket, "connect", timeout);
}

async function secured(
  socket: import("node:net").Socket,
  options: NonNullable<GrpcClientOptions["tls"]>,
  timeout: number,
): Promise<import("node:net").Socket> {
  const { connect } = await import("node:tls");
  return established(connect({ ...options, socket, ALPNProtocols: ["h2"] }), "secureConnect", timeout);
}

function established<S extends import("node:net").Socket>(
  socket: S,
  event: string,
  timeout: number,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => socket.destroy(new Error(`connection timeout after ${timeout} ms`)),
      timeout,
    );
    const onError = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once("error", onError);
    socket.once(event, () => {
      clearTimeout(timer);
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

/** Ends a connection whose peer is gone without a word. */
function keepAlive(session: ClientHttp2Session): void {
  let answered = true;
  const timer = setInterval(() => {
    if (session.destroyed) return clearInterval(timer);
    if (!answered) return session.destroy(new Error("keep-alive ping was not answered"));
    answered = false;
    session.ping(() => (answered = true));
  }, PING_INTERVAL);
  timer.unref();
  session.once("close", () => clearInterval(timer));
}
