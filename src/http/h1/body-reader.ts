import { latin1 } from "../../base/latin1.ts";
import { HeaderMap } from "../header-map.ts";
import type { CodecError, StreamHandler } from "../stream.ts";
import { ChunkReader, findTrailerEnd } from "./chunk-reader.ts";
import { CODEC_ERROR, HEADERS_TOO_LARGE } from "./errors.ts";
import { fieldScanner, findHeadEnd, INCOMPLETE, REFUSED } from "./field-scanner.ts";

const COMPLETE = 0;
const LENGTH = 1;
const CHUNKS = 2;
const TRAILERS = 3;
const UNTIL_CLOSE = 4;

const NO_BYTES = Buffer.alloc(0);

/** Limits of a trailer section, and whether anybody wants it. */
export interface TrailerOptions {
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly enableTrailers: boolean;
}

/** Whom a body is read for. */
export interface BodyOwner {
  readonly handler: StreamHandler;
  /** No data for now. */
  readonly paused: boolean;
  /** No data any more. */
  readonly ended: boolean;
  wireBytesReceived: number;
}

/** The body of one message at a time: with a length, in chunks with trailers, or until the connection closes. */
export class BodyReader {
  error: CodecError = CODEC_ERROR;
  #mode = COMPLETE;
  #remaining = 0;
  #chunks: ChunkReader | null = null;
  /** Bytes of an unfinished trailer section that were searched for its end. */
  #searched = 0;
  readonly #options: TrailerOptions;

  constructor(options: TrailerOptions) {
    this.#options = options;
  }

  /** Nothing (more) is to be read. */
  get complete(): boolean {
    return this.#mode === COMPLETE;
  }

  /** The body ends with the connection. */
  get untilClose(): boolean {
    return this.#mode === UNTIL_CLOSE;
  }

  beginEmpty(): void {
    this.#mode = COMPLETE;
  }

  beginLength(length: number): void {
    this.#mode = length === 0 ? COMPLETE : LENGTH;
    this.#remaining = length;
  }

  beginChunks(): void {
    this.#mode = CHUNKS;
    this.#searched = 0;
    this.#chunks ??= new ChunkReader();
    this.#chunks.reset();
  }

  beginUntilClose(): void {
    this.#mode = UNTIL_CLOSE;
  }

  /** Reads on while the owner wants data. Returns the offset of the first byte not used, or REFUSED. */
  read(bytes: Buffer, start: number, end: number, owner: BodyOwner): number {
    let q = start;
    while (q < end && this.#mode !== COMPLETE && !owner.paused && !owner.ended) {
      let next: number;
      if (this.#mode === CHUNKS) next = this.#readChunk(bytes, q, end, owner);
      else if (this.#mode === TRAILERS) next = this.#readTrailers(bytes, q, end, owner);
      else if (this.#mode === LENGTH) {
        next = Math.min(end, q + this.#remaining);
        this.#remaining -= next - q;
        if (this.#remaining === 0) this.#mode = COMPLETE;
        owner.wireBytesReceived += next - q;
        owner.handler.onData(part(bytes, q, next), this.#remaining === 0);
      } else {
        next = end;
        owner.wireBytesReceived += next - q;
        owner.handler.onData(part(bytes, q, next), false);
      }
      if (next === REFUSED) return REFUSED;
      if (next === INCOMPLETE) return q;
      q = next;
    }
    return q;
  }

  #readChunk(bytes: Buffer, start: number, end: number, owner: BodyOwner): number {
    const chunks = this.#chunks!;
    let q = start;
    if (!chunks.inData) {
      q = chunks.readFraming(bytes, start, end);
      if (q === REFUSED) {
        this.error = CODEC_ERROR;
        return REFUSED;
      }
      owner.wireBytesReceived += q - start;
      if (chunks.done) {
        this.#mode = TRAILERS;
        return q;
      }
      if (q === end || !chunks.inData) return q;
    }
    const next = Math.min(end, q + chunks.remaining);
    chunks.took(next - q);
    owner.wireBytesReceived += next - q;
    owner.handler.onData(part(bytes, q, next), false);
    return next;
  }

  #readTrailers(bytes: Buffer, start: number, end: number, owner: BodyOwner): number {
    const { maxHeadBytes, maxHeaders, enableTrailers } = this.#options;
    const sectionEnd =
      this.#searched === 0
        ? findTrailerEnd(bytes, start, end, findHeadEnd)
        : findHeadEnd(bytes, Math.max(start, start + this.#searched - 2), end);
    if ((sectionEnd === INCOMPLETE ? end : sectionEnd) - start > maxHeadBytes) {
      this.error = HEADERS_TOO_LARGE;
      return REFUSED;
    }
    if (sectionEnd === INCOMPLETE) {
      // A section's first line may be the empty one: look at it again until it is longer than that.
      this.#searched = end - start < 2 ? 0 : end - start;
      return INCOMPLETE;
    }
    const q = fieldScanner.scan(
      bytes,
      start,
      start,
      sectionEnd,
      enableTrailers ? maxHeaders : Number.MAX_SAFE_INTEGER,
    );
    if (q !== sectionEnd) {
      this.error = q === REFUSED ? fieldScanner.error : CODEC_ERROR;
      return REFUSED;
    }
    this.#mode = COMPLETE;
    owner.wireBytesReceived += q - start;
    if (!enableTrailers || fieldScanner.fields.count === 0) {
      owner.handler.onData(NO_BYTES, true);
      return q;
    }
    const trailers = HeaderMap.acquire();
    trailers.adopt(latin1(bytes, start, q), fieldScanner.fields);
    owner.handler.onTrailers(trailers);
    return q;
  }
}

function part(bytes: Buffer, start: number, end: number): Buffer {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}
