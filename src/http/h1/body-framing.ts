import type { HeaderId } from "../header-name.ts";
import type { HeaderMap } from "../header-map.ts";
import type { CodecError } from "../stream.ts";
import { CODEC_ERROR, INVALID_TRANSFER_ENCODING, LENGTH_AND_CHUNKED } from "./errors.ts";
import type { FieldScanner } from "./field-scanner.ts";
import { hasToken } from "./has-token.ts";
import { CONNECTION, CONTENT_LENGTH, PROXY_CONNECTION, TRANSFER_ENCODING } from "./ids.ts";

const MAX_UINT64 = 18_446_744_073_709_551_615n;

/** What the fields of a head say of the body's length and of the connection. One instance serves a thread. */
export class BodyFraming {
  /** Content-Length, or -1. Beyond 2^53 it is not exact, which no body will ever show. */
  contentLength = -1;
  chunked = false;
  /** "close" in Connection or Proxy-Connection. */
  close = false;
  /** "keep-alive" in Connection. */
  keepAlive = false;
  error: CodecError | undefined;

  reset(): void {
    this.contentLength = -1;
    this.chunked = this.close = this.keepAlive = false;
    this.error = undefined;
  }

  /** Looks at one field; cheap for all but four names. */
  visit(id: HeaderId, scanner: FieldScanner, i: number, raw: string, base: number): void {
    if (id === CONTENT_LENGTH) {
      const length = parseLength(scanner.value(i, raw, base));
      // Repeats are refused even when they agree.
      if (length < 0 || this.contentLength >= 0) this.error ??= CODEC_ERROR;
      this.contentLength = length;
    } else if (id === TRANSFER_ENCODING) {
      if (this.chunked || scanner.value(i, raw, base).toLowerCase() !== "chunked")
        this.error ??= INVALID_TRANSFER_ENCODING;
      this.chunked = true;
    } else if (id === CONNECTION) {
      const value = scanner.value(i, raw, base);
      if (hasToken(value, "close")) this.close = true;
      if (hasToken(value, "keep-alive")) this.keepAlive = true;
    } else if (id === PROXY_CONNECTION) {
      if (hasToken(scanner.value(i, raw, base), "close")) this.close = true;
    }
  }

  /** Settles Content-Length against Transfer-Encoding (RFC 9112 section 6.3). Returns why the head is refused. */
  settle(map: HeaderMap, allowChunkedLength: boolean): CodecError | undefined {
    const both = this.chunked && this.contentLength >= 0;
    if (both && !allowChunkedLength && this.error !== CODEC_ERROR) return LENGTH_AND_CHUNKED;
    if (this.error !== undefined) return this.error;
    if (both) {
      map.removeId(CONTENT_LENGTH);
      this.contentLength = -1;
    }
    return undefined;
  }
}

/** The thread's framing. */
export const bodyFraming = new BodyFraming();

/** A decimal number of 64 bits, or -1. */
function parseLength(text: string): number {
  if (text.length === 0) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value > Number.MAX_SAFE_INTEGER && BigInt(text) > MAX_UINT64 ? -1 : value;
}
