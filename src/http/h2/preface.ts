import { PREFACE } from "./frame/frame-type.ts";

/**
 * Whether a connection whose first bytes are bytes[start, end) speaks HTTP/2 with prior knowledge (RFC 9113 section 3.4);
 * undefined when there are too few to tell. For listeners that take HTTP/1.1 and HTTP/2 on one port.
 */
export function speaksHttp2(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  const length = Math.min(end - start, PREFACE.length);
  for (let i = 0; i < length; i++) if (bytes[start + i] !== PREFACE[i]) return false;
  return length === PREFACE.length ? true : undefined;
}
