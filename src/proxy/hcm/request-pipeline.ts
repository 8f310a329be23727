import type { HeaderMap } from "../../http/header-map.ts";
import type { HttpFilter, Verdict } from "../api.ts";
import type { HcmStream } from "./hcm-stream.ts";
import { Pipeline } from "./pipeline.ts";

/** Requests: from the first filter to the terminal one, which takes everything at once. */
export class RequestPipeline extends Pipeline {
  readonly #stream: HcmStream;
  readonly #terminal: number;

  constructor(stream: HcmStream, count: number) {
    super(stream, count - 1, 1);
    this.#stream = stream;
    this.#terminal = count - 1;
  }

  protected override askHeaders(
    filter: HttpFilter,
    headers: HeaderMap,
    end: boolean,
  ): Verdict | Promise<Verdict> {
    return filter.onRequestHeaders === undefined ? "continue" : filter.onRequestHeaders(headers, end);
  }

  protected override askData(filter: HttpFilter, chunk: Buffer, end: boolean): Verdict | Promise<Verdict> {
    return filter.onRequestData === undefined ? "continue" : filter.onRequestData(chunk, end);
  }

  protected override askTrailers(filter: HttpFilter, trailers: HeaderMap): Verdict | Promise<Verdict> {
    return filter.onRequestTrailers === undefined ? "continue" : filter.onRequestTrailers(trailers);
  }

  protected override hasDataHook(filter: HttpFilter): boolean {
    return filter.onRequestData !== undefined;
  }

  protected override hasTrailersHook(filter: HttpFilter): boolean {
    return filter.onRequestTrailers !== undefined;
  }

  protected override emitHeaders(headers: HeaderMap, end: boolean): void {
    try {
      void this.#stream.filters[this.#terminal]?.onRequestHeaders?.(headers, end);
    } catch (error) {
      this.#failed(error);
    }
  }

  protected override emitData(chunk: Buffer, end: boolean): void {
    try {
      void this.#stream.filters[this.#terminal]?.onRequestData?.(chunk, end);
    } catch (error) {
      this.#failed(error);
    }
  }

  protected override emitTrailers(trailers: HeaderMap): void {
    try {
      void this.#stream.filters[this.#terminal]?.onRequestTrailers?.(trailers);
    } catch (error) {
      this.#failed(error);
    }
  }

  protected override pauseSender(): void {
    this.#stream.pauseRequest();
  }

  protected override resumeSender(): void {
    this.#stream.resumeRequest();
  }

  protected override overflow(): void {
    this.#stream.requestTooLarge();
  }

  #failed(error: unknown): void {
    if (this.#stream.active) this.#stream.onFilterError(this.#terminal, error);
  }
}
