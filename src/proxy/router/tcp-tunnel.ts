import { HeaderMap } from "../../http/header-map.ts";
import type { CodecStream, Deferred, StreamHandler } from "../../http/stream.ts";
import type { ConnectionHandler } from "../../net/connection.ts";
import type {
  Cluster,
  ConnectCallbacks,
  ConnectionInfo,
  Host,
  PoolCallbacks,
  PoolRequest,
  UpstreamConnection,
} from "../api.ts";
import type { ConnectTermination } from "../route/connect-termination.ts";

const NO_BYTES = Buffer.alloc(0);

/**
 * The upstream side of a CONNECT that ends here: to the router a stream that is answered with 200 as soon as it begins,
 * to the host a TCP connection of its own.
 */
export class TcpTunnel implements CodecStream, ConnectionHandler, ConnectCallbacks, Deferred {
  handler!: StreamHandler;
  readonly peerWantsClose = true;
  readonly protocol = "";
  readonly #pool: PoolCallbacks;
  readonly #client: ConnectionInfo | undefined;
  readonly #termination: ConnectTermination;
  #upstream: UpstreamConnection | undefined;
  #paused = false;
  #done = false;

  /** Connects to `host`. Calls back as `Cluster.openStream` does. */
  static open(
    cluster: Cluster,
    host: Host,
    pool: PoolCallbacks,
    client: ConnectionInfo | undefined,
    termination: ConnectTermination,
  ): PoolRequest {
    if (cluster.tryAcquire("connections", 0))
      return cluster.connect(host, new TcpTunnel(pool, client, termination), client);
    pool.onPoolFailure("overflow", "");
    return { cancel() {} };
  }

  private constructor(
    pool: PoolCallbacks,
    client: ConnectionInfo | undefined,
    termination: ConnectTermination,
  ) {
    this.#pool = pool;
    this.#client = client;
    this.#termination = termination;
  }

  get wireBytesReceived(): number {
    return this.#upstream!.connection.bytesReceived;
  }

  get wireBytesSent(): number {
    return this.#upstream!.connection.bytesSent;
  }

  onConnected(upstream: UpstreamConnection): void {
    this.#upstream = upstream;
    upstream.handler = this;
    this.#pool.onPoolReady(this, upstream);
  }

  onPoolFailure(reason: "overflow" | "connection-failure" | "connection-timeout", detail: string): void {
    this.#pool.onPoolFailure(reason, detail);
  }

  // ---- from the router ---------------------------------------------------------------------------------------------

  headers(_headers: HeaderMap, end: boolean): void {
    const upstream = this.#upstream!;
    const preamble = this.#termination.preamble?.(this.#client);
    if (preamble !== undefined) upstream.write(preamble);
    if (end) upstream.end();
    // The answer comes when the caller is through with the request's head, as one from a host would.
    upstream.connection.afterTurn(this);
  }

  data(chunk: Buffer, end: boolean): boolean {
    const upstream = this.#upstream!;
    const open = chunk.length === 0 || upstream.write(chunk);
    if (end) upstream.end();
    return open;
  }

  trailers(): void {
    this.#upstream!.end();
  }

  interim(): void {
    // Requests have no interim heads.
  }

  reset(): void {
    this.#done = true;
    this.#upstream!.destroy();
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#upstream!.connection.pauseReading();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#upstream!.connection.resumeReading();
  }

  runDeferred(): void {
    if (this.#done) return;
    const headers = HeaderMap.acquire();
    headers.status = 200;
    this.handler.onHeaders(headers, false);
  }

  // ---- from the host -----------------------------------------------------------------------------------------------

  onConnect(): void {
    // It stands already.
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (!this.#done) this.handler.onData(bytes.subarray(start, end), false);
  }

  onEnd(): void {
    if (this.#done) return;
    this.#done = true;
    this.handler.onData(NO_BYTES, true);
  }

  onDrain(): void {
    if (!this.#done) this.handler.onDrain();
  }

  onClose(): void {
    if (this.#done) return;
    this.#done = true;
    this.handler.onReset("connection-termination", "");
  }
}
