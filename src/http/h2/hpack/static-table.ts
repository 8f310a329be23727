import { FIELD_CODE_COUNT, fieldCode, type FieldCode } from "./field-code.ts";

// The static table of RFC 7541 appendix A, one for all connections.

const ENTRIES =
  ":authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|" +
  ":status=200|:status=204|:status=206|:status=304|:status=400|:status=404|:status=500|" +
  "accept-charset|accept-encoding=gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|" +
  "authorization|cache-control|content-disposition|content-encoding|content-language|content-length|content-location|" +
  "content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|" +
  "if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|" +
  "retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate";

/** Names by index; index 0 is not used. */
export const STATIC_NAMES: string[] = [""];
/** Values by index, "" for entries without one. */
export const STATIC_VALUES: string[] = [""];
export const STATIC_CODES: FieldCode[] = [0];
/** Index of the first entry with the name of a field code; 0 if there is none. */
export const STATIC_INDEX_OF_CODE = new Uint8Array(FIELD_CODE_COUNT);
/** Index of the first entry with a name that has no field code of its own. */
export const STATIC_INDEX_OF_NAME = new Map<string, number>();

for (const entry of ENTRIES.split("|")) {
  const [name, value = ""] = entry.split("=") as [string, string?];
  const code = fieldCode(name);
  const index = STATIC_NAMES.length;
  STATIC_NAMES.push(name);
  STATIC_VALUES.push(value);
  STATIC_CODES.push(code);
  if (code === 0) STATIC_INDEX_OF_NAME.set(name, index);
  else if (STATIC_INDEX_OF_CODE[code] === 0) STATIC_INDEX_OF_CODE[code] = index;
}

/** Number of entries: dynamic indexes begin after it. */
export const STATIC_COUNT = STATIC_NAMES.length - 1;
