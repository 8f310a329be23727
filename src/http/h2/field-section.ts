import { HeaderMap } from "../header-map.ts";
import { isInlineHeader, knownHeaderId } from "../header-name.ts";
import { AUTHORITY_CHAR, TOKEN_CHAR } from "./characters.ts";
import type { FieldReceiver } from "./hpack/decoder.ts";
import {
  AUTHORITY,
  BAD_NAME,
  BAD_VALUE,
  FIELD_CODE_COUNT,
  METHOD,
  PATH,
  PROTOCOL,
  SCHEME,
  STATUS,
  UNKNOWN_PSEUDO,
  type FieldCode,
} from "./hpack/field-code.ts";
import type { H2Options } from "./options.ts";

export type SectionKind = number;
export const REQUEST: SectionKind = 0;
export const RESPONSE: SectionKind = 1;
export const TRAILERS: SectionKind = 2;

export type SectionFault = number;
export const NO_FAULT: SectionFault = 0;
/** A message that RFC 9113 section 8.1.1 calls malformed. */
export const MALFORMED: SectionFault = 1;
/** A message that we do not want. */
export const UNWANTED: SectionFault = 2;

export const VIOLATION = "http2.violation.of.messaging.rule";
const INVALID_FIELD = "http2.invalid.header.field";
export const TOO_LARGE = "http2.header_list_size_too_large";
const FIELD_TOO_LARGE = "http2.header_field_too_large";
export const TOO_MANY = "http2.too_many_headers";
export const UNDERSCORE = "http2.unexpected_underscore";

const COOKIE = knownHeaderId("cookie");
const HOST = knownHeaderId("host");
const CONTENT_LENGTH = knownHeaderId("content-length");
const TE = knownHeaderId("te");

/** What is to be done with a field, by code. */
const PLAIN = 0;
const UNKNOWN_NAME = 1;
const FOLDED = 2;
const SPECIAL = 3;
const actions = new Uint8Array(FIELD_CODE_COUNT);
for (let code = 1; code < METHOD; code++) actions[code] = isInlineHeader(code) ? FOLDED : PLAIN;
actions[0] = UNKNOWN_NAME;
for (const code of [COOKIE, HOST, CONTENT_LENGTH, TE, METHOD, PATH, SCHEME, AUTHORITY, STATUS, PROTOCOL])
  actions[code] = SPECIAL;
actions[UNKNOWN_PSEUDO] = actions[BAD_NAME] = SPECIAL;
/** Connection-specific fields, which make a message malformed (section 8.2.2). */
const FORBIDDEN = ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"].map(
  knownHeaderId,
);
for (const id of FORBIDDEN) actions[id] = SPECIAL;

const NO_LENGTH = -1;

/**
 * Fills a header map with the fields of one block and judges them (RFC 9113 sections 8.2 and 8.3). There is one for the thread,
 * since a block is decoded in one go. After a fault it only counts: the block has to be decoded to its end all the same.
 */
class FieldSection implements FieldReceiver {
  map: HeaderMap = new HeaderMap();
  fault: SectionFault = NO_FAULT;
  /** Why, as a response code detail. */
  detail = "";
  /** Value of Content-Length; -1 when there is none. */
  contentLength = NO_LENGTH;
  /** Fields left out because of an underscore in their name. */
  dropped = 0;
  #kind = REQUEST;
  #options!: H2Options;
  #bytes = 0;
  #count = 0;
  #regular = false;
  #host = "";
  /** Crumbs that have been joined. */
  #cookie = "";
  /** The one judged last: repeats are one string. */
  #goodAuthority = "";
  /** Pseudo fields seen, a bit each. */
  #pseudo = 0;

  begin(kind: SectionKind, options: H2Options): void {
    this.map = HeaderMap.acquire();
    this.fault = NO_FAULT;
    this.detail = "";
    this.contentLength = NO_LENGTH;
    this.#kind = kind;
    this.#options = options;
    this.#bytes = this.#count = this.#pseudo = this.dropped = 0;
    this.#regular = false;
    this.#host = this.#cookie = "";
  }

  field(code: FieldCode, name: string, value: string): void {
    const length = name.length + value.length;
    this.#bytes += length;
    this.#count++;
    if (this.fault !== NO_FAULT) return;
    if (this.#count > this.#options.maxHeaders) return this.#fail(UNWANTED, TOO_MANY);
    if (this.#bytes > this.#options.maxHeaderBytes) return this.#fail(UNWANTED, TOO_LARGE);
    if (length > this.#options.maxFieldBytes) return this.#fail(MALFORMED, FIELD_TOO_LARGE);
    if (code >= BAD_VALUE) return this.#fail(MALFORMED, INVALID_FIELD);
    const action = actions[code]!;
    if (action === SPECIAL) return this.#special(code, value);
    this.#regular = true;
    const map = this.map;
    if (action === UNKNOWN_NAME) {
      if (this.#options.underscores !== "allow" && name.includes("_")) this.#underscore();
      else map.addUnknown(name, value);
    } else if (action === FOLDED && map.hasId(code)) map.appendId(code, value);
    else map.addId(code, value);
  }

  /** To be called after the last field. */
  end(): void {
    if (this.fault !== NO_FAULT) return;
    if (this.#cookie !== "") this.map.addId(COOKIE, this.#cookie);
    if (this.#kind === REQUEST) this.#endRequest();
    else if (this.#kind === RESPONSE && this.map.status === 0) this.#fail(MALFORMED, VIOLATION);
  }

  #endRequest(): void {
    const { map } = this;
    // Envoy's rule: `:authority` wins over `host`, and one of them there must be.
    if (map.authority === "") map.authority = this.#host;
    if (map.authority === "") return this.#fail(MALFORMED, VIOLATION);
    const { method, authority } = map;
    if (method !== "GET" && method !== "POST" && (method === "" || !consistsOf(TOKEN_CHAR, method)))
      return this.#fail(MALFORMED, method === "" ? VIOLATION : INVALID_FIELD);
    if (authority !== this.#goodAuthority) {
      if (!consistsOf(AUTHORITY_CHAR, authority)) return this.#fail(MALFORMED, INVALID_FIELD);
      this.#goodAuthority = authority;
    }
    const seen = this.#pseudo;
    const located = (seen & bit(PATH)) !== 0 && (seen & bit(SCHEME)) !== 0;
    if (method === "CONNECT") {
      const extended = (seen & bit(PROTOCOL)) !== 0;
      if (extended ? !located : (seen & (bit(PATH) | bit(SCHEME))) !== 0)
        return this.#fail(MALFORMED, VIOLATION);
      return;
    }
    if (!located || (seen & bit(PROTOCOL)) !== 0 || map.scheme === "")
      return this.#fail(MALFORMED, VIOLATION);
    // Other control characters may stand in no value.
    if (map.path.includes(" ") || map.path.includes("\t")) return this.#fail(MALFORMED, INVALID_FIELD);
    const first = map.path.charCodeAt(0);
    if (first === SLASH || (map.path === "*" && map.method === "OPTIONS")) return;
    // Other schemes may have paths of other forms.
    if (map.path === "" || map.scheme === "http" || map.scheme === "https") this.#fail(MALFORMED, VIOLATION);
  }

  #special(code: FieldCode, value: string): void {
    if (code >= METHOD) return this.#pseudoField(code, value);
    this.#regular = true;
    const map = this.map;
    switch (code) {
      case COOKIE:
        // Section 8.2.3: crumbs become one field again, which comes last, as in Envoy.
        this.#cookie = this.#cookie === "" ? value : `${this.#cookie}; ${value}`;
        return;
      case HOST:
        if (this.#host !== "" && this.#host !== value) return this.#fail(MALFORMED, INVALID_FIELD);
        if (this.#kind === REQUEST) this.#host = value;
        return;
      case CONTENT_LENGTH: {
        const length = parseLength(value);
        if (length < 0 || this.contentLength >= 0) return this.#fail(MALFORMED, INVALID_FIELD);
        this.contentLength = length;
        return map.addId(CONTENT_LENGTH, value);
      }
      case TE:
        if (value.toLowerCase() !== "trailers") return this.#fail(MALFORMED, INVALID_FIELD);
        if (!map.hasId(TE)) map.addId(TE, value);
        return;
      default:
        return this.#fail(MALFORMED, INVALID_FIELD);
    }
  }

  #pseudoField(code: FieldCode, value: string): void {
    const seen = bit(code);
    if (this.#regular || code >= UNKNOWN_PSEUDO || (this.#pseudo & seen) !== 0 || this.#kind === TRAILERS)
      return this.#fail(MALFORMED, INVALID_FIELD);
    if ((code === STATUS) !== (this.#kind === RESPONSE)) return this.#fail(MALFORMED, INVALID_FIELD);
    this.#pseudo |= seen;
    const map = this.map;
    switch (code) {
      case METHOD:
        map.method = value;
        return;
      case PATH:
        map.path = value;
        if (value === "") this.#fail(MALFORMED, INVALID_FIELD);
        return;
      case SCHEME:
        map.scheme = value;
        return;
      case AUTHORITY:
        map.authority = value;
        if (value === "") this.#fail(MALFORMED, INVALID_FIELD);
        return;
      case PROTOCOL:
        map.protocol = value;
        if (value === "") this.#fail(MALFORMED, VIOLATION);
        else if (!this.#options.allowConnect) this.#fail(MALFORMED, INVALID_FIELD);
        return;
      default:
        map.status = parseStatus(value);
        if (map.status === 0) this.#fail(MALFORMED, VIOLATION);
    }
  }

  #underscore(): void {
    if (this.#options.underscores === "reject") this.#fail(UNWANTED, UNDERSCORE);
    else this.dropped++;
  }

  #fail(fault: SectionFault, detail: string): void {
    this.fault = fault;
    this.detail = detail;
  }
}

export const fieldSection = new FieldSection();

const SLASH = 47;

function bit(code: FieldCode): number {
  return 1 << (code - METHOD);
}

function consistsOf(allowed: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (allowed[text.charCodeAt(i)] !== 1) return false;
  return true;
}

/** Digits only; -1 for anything else. */
function parseLength(value: string): number {
  const { length } = value;
  if (length === 0 || length > 15) return -1;
  let parsed = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    parsed = parsed * 10 + digit;
  }
  return parsed;
}

/** Three digits, the first not 0; 0 for anything else. */
function parseStatus(value: string): number {
  if (value.length !== 3) return 0;
  const status = parseLength(value);
  return status < 100 ? 0 : status;
}
