import type { HeaderMap } from "../../proxy/api.ts";

/** Bytes of names and values with the pseudo fields, as HTTP/2 would count them. */
export function sectionBytes(headers: HeaderMap | undefined): number {
  if (headers === undefined) return 0;
  let bytes = headers.byteSize;
  if (headers.method !== "") bytes += 7 + headers.method.length;
  if (headers.path !== "") bytes += 5 + headers.path.length;
  if (headers.scheme !== "") bytes += 7 + headers.scheme.length;
  if (headers.authority !== "") bytes += 10 + headers.authority.length;
  if (headers.protocol !== "") bytes += 9 + headers.protocol.length;
  if (headers.status !== 0) bytes += 10;
  return bytes;
}
