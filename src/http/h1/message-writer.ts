import { latin1 } from "../../base/latin1.ts";
import type { HeaderMap } from "../header-map.ts";
import type { ByteSink } from "../stream.ts";

const LAST_CHUNK = "0\r\n\r\n";
/** A chunk up to this length is written as one text. */
const TEXT_CHUNK_LIMIT = 1024;

/** How a message body is delimited when it is written. */
export const FIXED = 0;
export const CHUNKED = 1;
/** No bytes are written, whatever comes: answers to HEAD, 204, 304. */
export const SILENT = 2;

/** Writes one message at a time and counts its bytes. */
export class MessageWriter {
  bytesWritten = 0;
  #framing = FIXED;
  readonly #sink: ByteSink;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  text(text: string): void {
    this.bytesWritten += text.length;
    this.#sink.writeText(text);
  }

  head(text: string, framing: number, end: boolean): void {
    this.#framing = framing;
    this.text(end && framing === CHUNKED ? text + LAST_CHUNK : text);
  }

  /** Returns false above the high watermark. */
  data(chunk: Buffer, end: boolean): boolean {
    const length = chunk.length;
    if (this.#framing === SILENT) return true;
    if (this.#framing === FIXED) {
      if (length === 0) return true;
      this.bytesWritten += length;
      return this.#sink.writeBytes(chunk);
    }
    if (length === 0) {
      if (end) this.text(LAST_CHUNK);
      return true;
    }
    const tail = end ? "\r\n" + LAST_CHUNK : "\r\n";
    const size = length.toString(16) + "\r\n";
    if (length <= TEXT_CHUNK_LIMIT && end) {
      this.text(size + latin1(chunk, 0, length) + tail);
      return true;
    }
    this.text(size);
    this.bytesWritten += length;
    const open = this.#sink.writeBytes(chunk);
    this.text(tail);
    return open;
  }

  trailers(trailers: HeaderMap, enabled: boolean): void {
    if (this.#framing !== CHUNKED) return;
    this.text(enabled ? "0\r\n" + trailers.toLines() + "\r\n" : LAST_CHUNK);
  }
}
