import type { AsyncStreams } from "../http/async-stream.ts";
import { HeaderMap } from "../http/header-map.ts";
import { ClientCall, type GrpcStream, type GrpcStreamHandler } from "./client-call.ts";
import { GRPC_STATUS, type GrpcStatus } from "./status.ts";
import { formatGrpcTimeout } from "./timeout.ts";

/** One service as its callers reach it. */
export interface GrpcClientOptions {
  readonly cluster: string;
  /** Value of :authority; default: the cluster's name. */
  readonly authority?: string;
  /** Sent with every call. */
  readonly metadata?: readonly (readonly [name: string, value: string])[];
  /** Milliseconds that a call may take; 0 = no limit. */
  readonly timeout?: number;
  /** Longest message that is accepted, in bytes. */
  readonly maxMessage?: number;
}

/** What a call of one request and one response calls, exactly once. */
export interface GrpcUnaryHandler {
  onResponse(message: Buffer): void;
  /** The call did not end with status 0. */
  onFailure(status: GrpcStatus): void;
}

/** Calls the methods of one service. Connections are the cluster's business. */
export class GrpcClient {
  readonly #streams: AsyncStreams;
  readonly #options: GrpcClientOptions;

  constructor(streams: AsyncStreams, options: GrpcClientOptions) {
    this.#streams = streams;
    this.#options = options;
  }

  get cluster(): string {
    return this.#options.cluster;
  }

  /**
   * Opens a stream for a method path such as "/pkg.Service/Method". Its handler may be called before this returns: when
   * there is no such cluster, or no host.
   */
  open(path: string, handler: GrpcStreamHandler): GrpcStream {
    const { cluster, timeout = 0, maxMessage } = this.#options;
    const call = new ClientCall(handler, maxMessage);
    call.begin(this.#streams.open({ cluster, headers: this.#headers(path), end: false, timeout }, call));
    return call;
  }

  /** One request, one response. Calls back exactly once, at once or later, unless cancelled. */
  unary(path: string, request: Uint8Array, handler: GrpcUnaryHandler): { cancel(): void } {
    let response: Buffer | undefined;
    const stream = this.open(path, {
      onMessage: (message) => (response = message),
      onEnd: (status) => {
        if (status.code !== 0) handler.onFailure(status);
        else if (response !== undefined) handler.onResponse(response);
        else handler.onFailure({ code: GRPC_STATUS.internal, message: "no message in the response" });
      },
    });
    stream.send(request);
    stream.end();
    return stream;
  }

  #headers(path: string): HeaderMap {
    const { cluster, authority = cluster, metadata = [], timeout = 0 } = this.#options;
    const headers = HeaderMap.acquire();
    headers.method = "POST";
    headers.scheme = "http";
    headers.path = path;
    headers.authority = authority;
    headers.add("te", "trailers");
    if (timeout > 0) headers.add("grpc-timeout", formatGrpcTimeout(timeout));
    headers.add("content-type", "application/grpc");
    for (const [name, value] of metadata) headers.add(name, value);
    return headers;
  }
}
