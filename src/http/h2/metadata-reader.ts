import { HeldBytes } from "../held-bytes.ts";
import type { Metadata } from "../metadata.ts";
import { DEFAULT_TABLE_SIZE, HpackDecoder } from "./hpack/decoder.ts";

/** Collects the METADATA frames of one stream. Each block is HPACK with a dynamic table of its own. */
export class MetadataReader {
  readonly #limit: number;
  #received = 0;
  #block = new HeldBytes();

  /** @param limit bytes of all blocks of the stream together (max_metadata_size) */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a frame's payload. False if that is too much. */
  add(bytes: Buffer, start: number, end: number): boolean {
    this.#received += end - start;
    if (this.#received > this.#limit) return false;
    this.#block.append(bytes, start, end);
    return true;
  }

  /** The block is complete. Undefined when it is no HPACK. */
  end(): Metadata | undefined {
    const block = this.#block;
    const entries = new Map<string, string>();
    const decoder = new HpackDecoder(DEFAULT_TABLE_SIZE);
    const valid = decoder.decode(block.bytes, block.start, block.end, {
      field(_code, name, value) {
        if (!entries.has(name)) entries.set(name, value);
      },
    });
    block.clear();
    return valid ? entries : undefined;
  }
}
