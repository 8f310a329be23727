import type { HeaderMap } from "../../http/header-map.ts";
import type { Metadata } from "../../http/metadata.ts";
import type { ResetReason } from "../../http/stream.ts";
import type { FilterStream, LocalReply, Route, StreamInfo } from "../api.ts";
import type { HcmStream } from "./hcm-stream.ts";

/** The stream as one filter sees it. Lives as long as its pooled stream. */
export class FilterSlot implements FilterStream {
  readonly #stream: HcmStream;
  readonly #index: number;
  readonly #name: string;

  constructor(stream: HcmStream, index: number, name: string) {
    this.#stream = stream;
    this.#index = index;
    this.#name = name;
  }

  get info(): StreamInfo {
    return this.#stream.info;
  }

  get requestHeaders(): HeaderMap {
    return this.#stream.requestHeaders!;
  }

  get responseHeaders(): HeaderMap | undefined {
    return this.#stream.responseHeaders;
  }

  get route(): Route | undefined {
    return this.#stream.route;
  }

  clearRouteCache(): void {
    this.#stream.clearRouteCache();
  }

  perRoute(): unknown {
    return this.#stream.route?.perFilter(this.#name);
  }

  continueRequest(): void {
    this.#stream.continueRequest(this.#index);
  }

  continueResponse(): void {
    this.#stream.continueResponse(this.#index);
  }

  replaceRequestData(bytes: Buffer): void {
    this.#stream.requestPipeline.replace(this.#index, bytes);
  }

  replaceResponseData(bytes: Buffer): void {
    this.#stream.responsePipeline.replace(this.#index, bytes);
  }

  takeRequestBody(): Buffer {
    return this.#stream.requestPipeline.takeBuffered(this.#index);
  }

  takeResponseBody(): Buffer {
    return this.#stream.responsePipeline.takeBuffered(this.#index);
  }

  sendLocalReply(reply: LocalReply): void {
    this.#stream.sendLocalReply(reply);
  }

  respondInterim(status: number, headers: HeaderMap | undefined): void {
    this.#stream.respondInterim(status, headers);
  }

  respondHeaders(headers: HeaderMap, end: boolean): void {
    this.#stream.respondHeaders(this.#index, headers, end);
  }

  respondData(chunk: Buffer, end: boolean): boolean {
    return this.#stream.respondData(this.#index, chunk, end);
  }

  respondTrailers(trailers: HeaderMap): void {
    this.#stream.respondTrailers(this.#index, trailers);
  }

  respondMetadata(metadata: Metadata): void {
    this.#stream.respondMetadata(metadata);
  }

  resetStream(reason: ResetReason, details: string): void {
    this.#stream.resetStream(reason, details);
  }

  pauseRequest(): void {
    this.#stream.pauseRequest();
  }

  resumeRequest(): void {
    this.#stream.resumeRequest();
  }

  get requestComplete(): boolean {
    return this.#stream.requestComplete;
  }

  bufferedRequestBody(): Buffer {
    return this.#stream.requestPipeline.buffered(this.#index);
  }

  get bufferLimit(): number {
    return this.#stream.bufferLimit;
  }
}
