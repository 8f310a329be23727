import type { CodecError } from "../stream.ts";

// The refusals of Envoy's HTTP/1 codec, with the local replies they become (source/common/http/http1/codec_impl.cc).

function refusal(status: number, body: string, details: string): CodecError {
  return { status, body, details, protocolError: true };
}

function badRequest(details: string): CodecError {
  return refusal(400, "Bad Request", details);
}

/** Anything that does not parse. */
export const CODEC_ERROR = badRequest("http1.codec_error");
/** Control characters in a head. */
export const INVALID_CHARACTERS = badRequest("http1.invalid_characters");
/** A request target that parses but names nothing. */
export const INVALID_URL = badRequest("http1.invalid_url");
/** An absolute target of another scheme than http and https. */
export const INVALID_SCHEME = badRequest("http1.invalid_scheme");
/** A Host with characters that no authority has. */
export const INVALID_AUTHORITY = badRequest("http.invalid_authority");
/** Content-Length next to chunked. */
export const LENGTH_AND_CHUNKED = badRequest("http1.content_length_and_chunked_not_allowed");
/** A body after CONNECT, where none can be. */
export const BODY_DISALLOWED = badRequest("http1.body_disallowed");
/** A transfer coding other than chunked. */
export const INVALID_TRANSFER_ENCODING = refusal(501, "Not Implemented", "http1.invalid_transfer_encoding");
/** A header name with "_" where that is refused. */
export const UNEXPECTED_UNDERSCORE = badRequest("http1.unexpected_underscore");
/** The head is longer than the limit. */
export const HEADERS_TOO_LARGE = refusal(431, "Request Header Fields Too Large", "http1.headers_too_large");
/** More header lines than the limit. */
export const TOO_MANY_HEADERS = refusal(431, "Request Header Fields Too Large", "http1.too_many_headers");
/** A version other than 1.1 where 1.0 is not taken. */
export const LOW_VERSION = refusal(426, "Upgrade Required", "low_version");
/** An https:// target on a plaintext connection. */
export const HTTPS_ON_PLAINTEXT = refusal(403, "Forbidden", "http1.https_url_on_plaintext_connection");
