// Character classes of RFC 9113 section 8.2.1, as strict as the token and field-value of RFC 9110.

/** 1: may stand in a field name: a token without upper-case letters. */
export const NAME_BYTE = new Uint8Array(256);
/** 1: may stand in a field value. */
export const VALUE_BYTE = new Uint8Array(256);
/** 1: may stand in an authority, which has no userinfo (RFC 9113 section 8.3.1). */
export const AUTHORITY_CHAR = new Uint8Array(256);
/** 1: may stand in a method. */
export const TOKEN_CHAR = new Uint8Array(256);

for (let c = 0; c < 256; c++) {
  const char = String.fromCharCode(c);
  if (/[a-z0-9!#$%&'*+\-.^_`|~]/.test(char)) NAME_BYTE[c] = TOKEN_CHAR[c] = 1;
  if (/[A-Z]/.test(char)) TOKEN_CHAR[c] = 1;
  if ((c >= 32 && c !== 127) || c === 9) VALUE_BYTE[c] = 1;
  if (/[A-Za-z0-9\-._~!$&'()*+,;=:[\]%]/.test(char)) AUTHORITY_CHAR[c] = 1;
}
