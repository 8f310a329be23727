// Character classes of RFC 9110 section 5 as tables by byte.

/** Lower-case form of a token character, 0 for every other byte. */
export const TOKEN = new Uint8Array(256);
/** 0: part of a field value; 1: CR or LF; 2: not allowed in a head. */
export const VALUE = new Uint8Array(256);
/** 1: may stand in an authority, as RFC 3986 section 3.2 and nghttp2 have it. */
export const AUTHORITY = new Uint8Array(256);

export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const COLON = 58;
export const DEL = 127;

for (let c = 0; c < 256; c++) {
  const char = String.fromCharCode(c);
  if (/[a-z0-9!#$%&'*+\-.^_`|~]/.test(char)) TOKEN[c] = c;
  else if (/[A-Z]/.test(char)) TOKEN[c] = c | 32;
  if (c === CR || c === LF) VALUE[c] = 1;
  else if ((c < 32 && c !== TAB) || c === 127) VALUE[c] = 2;
  if (/[A-Za-z0-9\-._~!$&'()*+,;=:@[\]%]/.test(char)) AUTHORITY[c] = 1;
}
