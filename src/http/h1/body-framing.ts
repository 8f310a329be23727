import type { HeaderMap } from "../header-map.ts";
import { HeaderSet } from "../header-set.ts";
import type { CodecError } from "../stream.ts";
import { CODEC_ERROR, INVALID_TRANSFER_ENCODING, LENGTH_AND_CHUNKED } from "./errors.ts";
import { hasToken } from "./has-token.ts";
import { CONNECTION, CONTENT_LENGTH, PROXY_CONNECTION, TRANSFER_ENCODING } from "./ids.ts";

const FRAMING = new HeaderSet(["content-length", "transfer-encoding", "connection", "proxy-connection"]);
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

  /** Looks at a head as it came. Returns why it is refused (RFC 9112 section 6.3); drops what may not be passed on. */
  read(map: HeaderMap, allowChunkedLength: boolean): CodecError | undefined {
    this.contentLength = -1;
    this.chunked = this.close = this.keepAlive = false;
    if (!map.hasAny(FRAMING)) return undefined;
    const connection = map.getId(CONNECTION);
    if (connection === "keep-alive") this.keepAlive = true;
    else if (connection !== undefined) {
      this.close = hasToken(connection, "close");
      this.keepAlive = hasToken(connection, "keep-alive");
    }
    if (!this.close && map.hasId(PROXY_CONNECTION))
      this.close = hasToken(map.getId(PROXY_CONNECTION)!, "close");
    const length = map.getId(CONTENT_LENGTH);
    // Repeats are refused even when they agree: folded into one value they are no number.
    if (length !== undefined) this.contentLength = parseLength(length);
    const coding = map.getId(TRANSFER_ENCODING);
    if (coding === undefined) return length !== undefined && this.contentLength < 0 ? CODEC_ERROR : undefined;
    this.chunked = true;
    return this.#settle(map, coding, length, allowChunkedLength);
  }

  /** Settles Content-Length against Transfer-Encoding. */
  #settle(
    map: HeaderMap,
    coding: string,
    length: string | undefined,
    allowChunkedLength: boolean,
  ): CodecError | undefined {
    const badLength = length !== undefined && this.contentLength < 0;
    const badCoding = coding.toLowerCase() !== "chunked";
    if (badLength && !(badCoding && map.precedes(TRANSFER_ENCODING, CONTENT_LENGTH))) return CODEC_ERROR;
    if (length !== undefined && !badLength && !allowChunkedLength) return LENGTH_AND_CHUNKED;
    if (badCoding) return INVALID_TRANSFER_ENCODING;
    if (length !== undefined) map.removeId(CONTENT_LENGTH);
    this.contentLength = -1;
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
