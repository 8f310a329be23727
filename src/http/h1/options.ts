import type { HeaderCase } from "../header-case.ts";

/** In which letters header names are written. */
export interface CaseOptions {
  /** Remember how the names of received heads are written: who writes such a head again, writes them so. */
  readonly keepsCase: boolean;
  /** The form of names that are added to such a head; undefined = lower case. */
  readonly addedCase: HeaderCase | undefined;
  /** The form of names in all other heads that are written; undefined = lower case. */
  readonly headerCase: HeaderCase | undefined;
}

/** What a server codec may accept. Names follow Envoy's HttpConnectionManager and Http1ProtocolOptions. */
export interface H1ServerOptions extends CaseOptions {
  /** Largest request head in bytes, start line and last CRLF included. */
  readonly maxHeadBytes: number;
  /** Most header lines, Host included. */
  readonly maxHeaders: number;
  /** Take HTTP/1.0 (and what looks like other versions) instead of answering 426. */
  readonly acceptHttp10: boolean;
  /** Host of an HTTP/1.0 request without one; "" for none. */
  readonly defaultHostForHttp10: string;
  /** Pass trailers on and write them; they are dropped otherwise. */
  readonly enableTrailers: boolean;
  /** With both Content-Length and chunked: drop the Content-Length instead of refusing. */
  readonly allowChunkedLength: boolean;
  /** What to do with header names that contain "_". */
  readonly underscores: "allow" | "reject" | "drop";
  /** Refuse https:// targets on a plaintext connection: Envoy does when it is the edge (use_remote_address, no trusted hops). */
  readonly refuseHttpsUrl: boolean;
  /** Leave "expect: 100-continue" to the upstream instead of answering it here. */
  readonly proxy100Continue: boolean;
  /** Take any token as method. */
  readonly allowCustomMethods: boolean;
}

/** What a client codec accepts and writes. */
export interface H1ClientOptions extends CaseOptions {
  /** Largest response head in bytes, start line and last CRLF included. */
  readonly maxHeadBytes: number;
  /** Most header lines. */
  readonly maxHeaders: number;
  /** Pass trailers on and write them; they are dropped otherwise. */
  readonly enableTrailers: boolean;
  /** With both Content-Length and chunked: drop the Content-Length instead of refusing. */
  readonly allowChunkedLength: boolean;
  /** Write "http://host/path" instead of "/path". */
  readonly sendFullyQualifiedUrl: boolean;
}

/** Envoy's defaults. */
export const DEFAULT_SERVER_OPTIONS: H1ServerOptions = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  acceptHttp10: false,
  defaultHostForHttp10: "",
  enableTrailers: false,
  allowChunkedLength: false,
  underscores: "allow",
  refuseHttpsUrl: false,
  proxy100Continue: false,
  allowCustomMethods: false,
  keepsCase: false,
  addedCase: undefined,
  headerCase: undefined,
};

/** Envoy's defaults. */
export const DEFAULT_CLIENT_OPTIONS: H1ClientOptions = {
  maxHeadBytes: 80 * 1024,
  maxHeaders: 100,
  enableTrailers: false,
  allowChunkedLength: false,
  sendFullyQualifiedUrl: false,
  keepsCase: false,
  addedCase: undefined,
  headerCase: undefined,
};
