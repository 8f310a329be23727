import { Timer, type TimerOwner } from "../base/timer-wheel.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { knownHeaderId } from "../http/header-name.ts";
import type { CodecStream, ResetReason, StreamHandler } from "../http/stream.ts";
import type {
  AsyncCall,
  AsyncCallbacks,
  AsyncClient,
  AsyncRequest,
  Cluster,
  FactoryContext,
  Host,
  PickContext,
  PoolCallbacks,
  PoolRequest,
} from "./api.ts";
import { clusterHandles } from "./router/cluster-handles.ts";

type ClientContext = Pick<FactoryContext, "clock" | "clusters" | "wheel">;

const SERVICE_TIME = knownHeaderId("x-envoy-upstream-service-time");
/** Most bytes of a response that are kept. */
const MAX_BODY = 1024 * 1024;

/** Requests of the proxy's own over the clusters of this thread. */
export function createAsyncClient(context: ClientContext): AsyncClient {
  return {
    send(request, callbacks) {
      const call = new Call(context, request, callbacks);
      call.start();
      return call;
    },
  };
}

class Call implements AsyncCall, StreamHandler, PoolCallbacks, TimerOwner {
  readonly #context: ClientContext;
  readonly #request: AsyncRequest;
  readonly #callbacks: AsyncCallbacks;
  readonly #timer = new Timer(this);
  readonly #body: Buffer[] = [];
  #size = 0;
  #sent = 0;
  #cluster: Cluster | undefined;
  #pending: PoolRequest | undefined;
  #stream: CodecStream | undefined;
  #headers: HeaderMap | undefined;
  #acquired = false;
  #done = false;

  constructor(context: ClientContext, request: AsyncRequest, callbacks: AsyncCallbacks) {
    this.#context = context;
    this.#request = request;
    this.#callbacks = callbacks;
  }

  start(): void {
    const cluster = this.#context.clusters.get(this.#request.cluster);
    if (cluster === undefined) return this.#fail("no-cluster", "");
    this.#cluster = cluster;
    const pick: PickContext = {
      headers: this.#request.headers,
      hash: undefined,
      tried: [],
      maxReselections: 0,
    };
    const host: Host | undefined = cluster.pick(pick);
    if (host === undefined) return this.#fail("no-host", "");
    if (!cluster.tryAcquire("requests", 0)) return this.#fail("overflow", "");
    this.#acquired = true;
    if (this.#request.timeout > 0) this.#context.wheel.arm(this.#timer, this.#request.timeout);
    const pending = cluster.openStream(host, 0, this);
    if (this.#stream === undefined && !this.#done) this.#pending = pending;
  }

  cancel(): void {
    if (this.#done) return;
    this.#end();
    this.#abandon();
  }

  onTimer(): void {
    if (this.#done) return;
    const handles = clusterHandles(this.#cluster!);
    handles.timeout.inc();
    handles.countResponse(504, true);
    this.#abandon();
    this.#fail("timeout", "");
  }

  onPoolReady(stream: CodecStream): void {
    this.#pending = undefined;
    this.#stream = stream;
    stream.handler = this;
    const { headers, body } = this.#request;
    this.#sent = this.#context.clock.now();
    stream.headers(headers, body === undefined);
    if (body !== undefined) stream.data(body, true);
  }

  onPoolFailure(reason: "overflow" | "connection-failure" | "connection-timeout", detail: string): void {
    this.#pending = undefined;
    this.#fail(reason === "overflow" ? "overflow" : "reset", detail);
  }

  onInterim(_status: number, headers: HeaderMap): void {
    headers.release();
  }

  onHeaders(headers: HeaderMap, end: boolean): void {
    this.#headers = headers;
    headers.setId(SERVICE_TIME, String(Math.trunc(this.#context.clock.now() - this.#sent)));
    if (end) this.#complete();
  }

  onData(chunk: Buffer, end: boolean): void {
    this.#size += chunk.length;
    if (this.#size > MAX_BODY) {
      this.#abandon();
      return this.#fail("reset", "response body too large");
    }
    if (chunk.length > 0) this.#body.push(Buffer.from(chunk));
    if (end) this.#complete();
  }

  onTrailers(trailers: HeaderMap): void {
    trailers.release();
    this.#complete();
  }

  onReset(_reason: ResetReason, detail: string): void {
    this.#stream = undefined;
    this.#fail("reset", detail);
  }

  onCodecError(): void {
    this.#fail("reset", "protocol error");
  }

  onDrain(): void {
    // The request's body is one buffer that the codec has taken already.
  }

  #complete(): void {
    if (this.#done) return;
    this.#stream = undefined;
    const headers = this.#headers!;
    this.#headers = undefined;
    const handles = clusterHandles(this.#cluster!);
    handles.countResponse(headers.status, true);
    handles.recordTime(Math.trunc(this.#context.clock.now() - this.#sent), true);
    this.#end();
    this.#callbacks.onResponse(headers, Buffer.concat(this.#body));
    headers.release();
  }

  #fail(reason: Parameters<AsyncCallbacks["onFailure"]>[0], detail: string): void {
    if (this.#done) return;
    this.#end();
    this.#callbacks.onFailure(reason, detail);
  }

  #abandon(): void {
    this.#pending?.cancel();
    this.#pending = undefined;
    this.#stream?.reset("local-reset");
    this.#stream = undefined;
  }

  #end(): void {
    this.#done = true;
    this.#context.wheel.disarm(this.#timer);
    if (this.#acquired) this.#cluster!.release("requests", 0);
    this.#acquired = false;
    this.#headers?.release();
    this.#headers = undefined;
    this.#request.headers.release();
  }
}
