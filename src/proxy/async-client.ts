import type {
  AsyncCallbacks,
  AsyncFailure,
  AsyncRequest,
  AsyncStream,
  AsyncStreamHandler,
} from "../http/async-stream.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { AsyncClient, FactoryContext } from "./api.ts";
import { UpstreamStream, type AsyncContext } from "./async-stream.ts";
import { grpcClient } from "./grpc-service.ts";

/** Most bytes of a response that are kept, unless the request says otherwise. */
const MAX_BODY = 1024 * 1024;

/** Requests of the proxy's own over the clusters of this thread. */
export function createAsyncClient(context: AsyncContext & Pick<FactoryContext, "localIp">): AsyncClient {
  const client: AsyncClient = {
    open(request, handler) {
      const stream = new UpstreamStream(context, request, handler);
      stream.start();
      return stream;
    },
    send(request, callbacks) {
      const exchange = new WholeExchange(request, callbacks);
      exchange.start(client);
      return exchange;
    },
    grpc: (service, timeout) => grpcClient(service, timeout, client, context.localIp),
  };
  return client;
}

/** An exchange whose response is handed over as a whole. */
class WholeExchange implements AsyncStreamHandler {
  readonly #request: AsyncRequest;
  readonly #callbacks: AsyncCallbacks;
  readonly #body: Buffer[] = [];
  #size = 0;
  #stream: AsyncStream | undefined;
  #headers: HeaderMap | undefined;
  #done = false;

  constructor(request: AsyncRequest, callbacks: AsyncCallbacks) {
    this.#request = request;
    this.#callbacks = callbacks;
  }

  start(client: AsyncClient): void {
    const { cluster, headers, body, timeout } = this.#request;
    const stream = client.open({ cluster, headers, end: body === undefined, timeout }, this);
    if (this.#done) return;
    this.#stream = stream;
    if (body !== undefined) stream.data(body, true);
  }

  cancel(): void {
    if (this.#done) return;
    this.#end();
    this.#stream?.cancel();
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    this.#headers = headers;
    if (end) this.#complete();
  }

  onData(chunk: Buffer, end: boolean): void {
    if (this.#done) return;
    this.#size += chunk.length;
    if (this.#size > (this.#request.maxBody ?? MAX_BODY)) {
      this.#stream?.cancel();
      return this.onFailure("reset", "response body too large");
    }
    if (chunk.length > 0) this.#body.push(Buffer.from(chunk));
    if (end) this.#complete();
  }

  onTrailers(trailers: HeaderMap): void {
    trailers.release();
    this.#complete();
  }

  onDrain(): void {
    // The request's body is one buffer that was taken already.
  }

  onFailure(reason: AsyncFailure, detail: string): void {
    if (this.#done) return;
    this.#end();
    this.#callbacks.onFailure(reason, detail);
  }

  #complete(): void {
    if (this.#done) return;
    const headers = this.#headers!;
    this.#headers = undefined;
    this.#end();
    this.#callbacks.onResponse(headers, Buffer.concat(this.#body));
    headers.release();
  }

  #end(): void {
    this.#done = true;
    this.#headers?.release();
    this.#headers = undefined;
  }
}
