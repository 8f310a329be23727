import type { HeaderMap } from "../../http/header-map.ts";
import type { Metadata } from "../../http/metadata.ts";

const NO_METADATA: readonly Metadata[] = [];

/** Request body that waits for an upstream stream, or is kept for a retry. */
export class KeptBody {
  #chunks: Buffer[] = [];
  /** Null when there is none. */
  #metadata: Metadata[] | null = null;
  #bytes = 0;
  /** Trailers of the request; owned by whoever gave them. */
  trailers: HeaderMap | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Keeps a copy: chunks are lent. */
  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
  }

  /** Keeps metadata for the next try; Envoy does not keep it for retries either. */
  addMetadata(metadata: Metadata): void {
    (this.#metadata ??= []).push(metadata);
  }

  takeMetadata(): readonly Metadata[] {
    const all = this.#metadata ?? NO_METADATA;
    this.#metadata = null;
    return all;
  }

  /** Lets the body go; the trailers stay. */
  clearBody(): void {
    if (this.#chunks.length > 0) this.#chunks = [];
    this.#bytes = 0;
  }

  clear(): void {
    this.clearBody();
    this.trailers = undefined;
    this.#metadata = null;
  }
}
