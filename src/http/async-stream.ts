import type { HeaderMap } from "./header-map.ts";

// Exchanges that a program begins itself: what its own HTTP and gRPC calls are made of. Who carries them out (the proxy's
// clusters) and who uses them (the gRPC client, filters, configuration sources) know only this contract.

/** Why an exchange ended without a whole response. */
export type AsyncFailure = "no-cluster" | "no-host" | "overflow" | "timeout" | "reset";

export interface AsyncStreamRequest {
  readonly cluster: string;
  /** Method, path, authority and headers; changes hands. */
  readonly headers: HeaderMap;
  /** Nothing follows the headers. */
  readonly end: boolean;
  /** Milliseconds for the whole exchange; 0 = no limit. */
  readonly timeout: number;
}

/** What an exchange calls. `end` is true on the last call of a complete response. */
export interface AsyncStreamHandler {
  /** The response's head. The map changes hands. */
  onHeaders(headers: HeaderMap, end: boolean): void;
  /** The chunk is lent until the call returns. */
  onData(chunk: Buffer, end: boolean): void;
  /** The map changes hands. */
  onTrailers(trailers: HeaderMap): void;
  /** Room again, after `data` returned false. */
  onDrain(): void;
  /** The exchange is over before its response was complete. The last call. `detail` is what a client would read. */
  onFailure(reason: AsyncFailure, detail: string): void;
}

/** One exchange. Its handler may be called before `open` returns. */
export interface AsyncStream {
  /** Sends a chunk, which stays as it is from now on. Returns false when it is better to wait for `onDrain`. */
  data(chunk: Buffer, end: boolean): boolean;
  /** Stops and restarts the response's body: back-pressure. */
  pause(): void;
  resume(): void;
  /** Gives up; the handler hears nothing more. */
  cancel(): void;
}

/** Who carries out exchanges. */
export interface AsyncStreams {
  open(request: AsyncStreamRequest, handler: AsyncStreamHandler): AsyncStream;
}

/** An exchange whose response is wanted as a whole. */
export interface AsyncRequest {
  readonly cluster: string;
  /** Method, path, authority and headers; changes hands. */
  readonly headers: HeaderMap;
  readonly body: Buffer | undefined;
  /** Milliseconds for the whole exchange; 0 = no limit. */
  readonly timeout: number;
  /** Most bytes of a response's body; default: 1 MiB. */
  readonly maxBody?: number;
}

export interface AsyncCallbacks {
  /** The whole response. The map is lent until the call returns. */
  onResponse(headers: HeaderMap, body: Buffer): void;
  onFailure(reason: AsyncFailure, detail: string): void;
}

export interface AsyncCall {
  /** Gives up; nothing is called any more. */
  cancel(): void;
}

/** Who carries out whole exchanges. */
export interface AsyncRequests {
  /** Calls back exactly once, at once or later, unless cancelled. */
  send(request: AsyncRequest, callbacks: AsyncCallbacks): AsyncCall;
}
