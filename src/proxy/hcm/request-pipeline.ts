import type { HeaderMap } from "../../http/header-map.ts";
import type { HttpFilter, Verdict } from "../api.ts";
import type { HcmStream } from "./hcm-stream.ts";
import { Pipeline } from "./pipeline.ts";

/** Requests: from the first filter to the terminal one, which takes everything. */
export class RequestPipeline extends Pipeline {
  readonly #stream: HcmStream;
  readonly #last: number;

  constructor(stream: HcmStream, count: number) {
    super(stream, count, 1);
    this.#stream = stream;
    this.#last = count - 1;
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

  protected override takes(index: number): boolean {
    return index === this.#last;
  }

  protected override emitHeaders(): void {
    // The terminal filter took them.
  }

  protected override emitData(): void {
    // The terminal filter took it.
  }

  protected override emitTrailers(): void {
    // The terminal filter took them.
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
}
