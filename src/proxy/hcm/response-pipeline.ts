import type { HeaderMap } from "../../http/header-map.ts";
import type { HttpFilter, Verdict } from "../api.ts";
import type { HcmStream } from "./hcm-stream.ts";
import { Pipeline } from "./pipeline.ts";

/** Responses: from the filter that responds back to the first one, and out to the client. */
export class ResponsePipeline extends Pipeline {
  readonly #stream: HcmStream;

  constructor(stream: HcmStream, count: number) {
    // The terminal filter responds, and so has no part in what becomes of responses.
    super(stream, count - 1, -1);
    this.#stream = stream;
  }

  protected override askHeaders(
    filter: HttpFilter,
    headers: HeaderMap,
    end: boolean,
  ): Verdict | Promise<Verdict> {
    return filter.onResponseHeaders === undefined ? "continue" : filter.onResponseHeaders(headers, end);
  }

  protected override askData(filter: HttpFilter, chunk: Buffer, end: boolean): Verdict | Promise<Verdict> {
    return filter.onResponseData === undefined ? "continue" : filter.onResponseData(chunk, end);
  }

  protected override askTrailers(filter: HttpFilter, trailers: HeaderMap): Verdict | Promise<Verdict> {
    return filter.onResponseTrailers === undefined ? "continue" : filter.onResponseTrailers(trailers);
  }

  protected override hasDataHook(filter: HttpFilter): boolean {
    return filter.onResponseData !== undefined;
  }

  protected override hasTrailersHook(filter: HttpFilter): boolean {
    return filter.onResponseTrailers !== undefined;
  }

  protected override emitHeaders(headers: HeaderMap, end: boolean): void {
    this.#stream.encodeHeaders(headers, end);
  }

  protected override emitData(chunk: Buffer, end: boolean): void {
    this.#stream.encodeData(chunk, end);
  }

  protected override emitTrailers(trailers: HeaderMap): void {
    this.#stream.encodeTrailers(trailers);
  }

  protected override pauseSender(): void {
    this.#stream.blockResponse();
  }

  protected override resumeSender(): void {
    this.#stream.unblockResponse();
  }

  protected override overflow(): void {
    this.#stream.responseTooLarge();
  }
}
