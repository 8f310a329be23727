import { HEADER_ID_COUNT, headerId } from "../../header-name.ts";

// A field code says in one integer what is known of a field's name and value: a well-known header id, 0 for other names,
// or one of the codes below; BAD_VALUE may be added. Codes are kept in the dynamic table, so a field is judged once.

export type FieldCode = number;

export const METHOD: FieldCode = HEADER_ID_COUNT;
export const PATH: FieldCode = HEADER_ID_COUNT + 1;
export const SCHEME: FieldCode = HEADER_ID_COUNT + 2;
export const AUTHORITY: FieldCode = HEADER_ID_COUNT + 3;
export const STATUS: FieldCode = HEADER_ID_COUNT + 4;
export const PROTOCOL: FieldCode = HEADER_ID_COUNT + 5;
/** A name that begins with ":" and is none of the above. */
export const UNKNOWN_PSEUDO: FieldCode = HEADER_ID_COUNT + 6;
/** An empty name, one with upper-case letters, or with characters that no name has. */
export const BAD_NAME: FieldCode = HEADER_ID_COUNT + 7;
/** One more than the largest code of a name. */
export const FIELD_CODE_COUNT = HEADER_ID_COUNT + 8;
/** Flag: the value has characters that RFC 9113 section 8.2.1 forbids. */
export const BAD_VALUE = 256;

if (FIELD_CODE_COUNT > BAD_VALUE) throw new Error("Cannot number field names: more than 256 of them");

/** Code of a name that begins with ":". */
export function pseudoCode(name: string): FieldCode {
  switch (name) {
    case ":method":
      return METHOD;
    case ":path":
      return PATH;
    case ":scheme":
      return SCHEME;
    case ":authority":
      return AUTHORITY;
    case ":status":
      return STATUS;
    case ":protocol":
      return PROTOCOL;
    default:
      return UNKNOWN_PSEUDO;
  }
}

/** Code of a valid name. */
export function fieldCode(name: string): FieldCode {
  return name.startsWith(":") ? pseudoCode(name) : headerId(name);
}
